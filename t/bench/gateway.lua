-- A gateway as it is written with lua-nginx-module: the route, the token's shape and the id are checked, the client's
-- headers dropped (proxy_pass_request_headers off), the credential added, and error bodies brought into one schema.
-- What its author would do for speed is done: compiled regular expressions, locals, code read once.

local base64 = require "ngx.base64"
local cjson = require "cjson.safe"

local decode_base64url = base64.decode_base64url
local match, find = ngx.re.match, ngx.re.find
local lower, sub = string.lower, string.sub
local concat = table.concat
local ngx = ngx

local LEEWAY = 60
local credential

local _M = {}


function _M.read_credential(path)
    local file = assert(io.open(path))
    credential = file:read("*l")
    file:close()
end


local function detail(loc, msg, kind)
    return '{"detail":[{"loc":' .. loc .. ',"msg":"' .. msg .. '","type":"' .. kind .. '"}]}'
end


local function refuse(status, loc, msg, kind, authenticate)
    local header = ngx.header

    ngx.status = status
    header["Content-Type"] = "application/json"
    header["Canopy-Outcome"] = "denied"
    header["WWW-Authenticate"] = authenticate

    local body = detail(loc, msg, kind)
    header["Content-Length"] = #body
    ngx.print(body)
    return ngx.exit(ngx.HTTP_OK)
end


local function object(part)
    local text = decode_base64url(part)
    local value = text and cjson.decode(text)

    -- an array is a table, too
    if type(value) == "table" and value[1] == nil then
        return value
    end
end


local function malformed(token)
    if #token > 8192 then
        return "The token is too long"
    end

    local parts = match(token, [[^([\w-]+)\.([\w-]+)\.([\w-]+)$]], "jo")
    if not parts then
        return "The token is not a JWT"
    end

    local header, payload = object(parts[1]), object(parts[2])
    if not header or not payload or not decode_base64url(parts[3]) then
        return "The token is not a JWT"
    end

    local alg = header.alg
    if type(alg) ~= "string" or alg == "" or lower(alg) == "none" then
        return "The token is not signed"
    end

    local exp = payload.exp
    if exp ~= nil and type(exp) ~= "number" then
        return "The token has no valid exp"
    end

    return nil, exp and exp + LEEWAY < ngx.time()
end


function _M.access()
    local var = ngx.var

    local route = match(var.uri, "^/live/tasks/([^/]+)/cancel$", "jo")
    if not route then
        return refuse(404, '["path"]', "Not Found", "not_found")
    end

    if var.request_method ~= "PATCH" then
        ngx.header["Allow"] = "PATCH"
        return refuse(405, '["method"]', "Method Not Allowed", "method_not_allowed")
    end

    local header = var.http_authorization
    local bearer = header and match(header, [[^Bearer +(\S+)$]], "ijo")
    if not bearer then
        return refuse(401, '["header","authorization"]', "Bearer token required", "missing", 'Bearer realm="canopy"')
    end

    local reason, expired = malformed(bearer[1])
    if reason or expired then
        return refuse(401, '["header","authorization"]', reason or "The token has expired",
                      expired and "token_expired" or "token_malformed", 'Bearer realm="canopy", error="invalid_token"')
    end

    local id = route[1]
    if not find(id, [[^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$]], "ijo") then
        return refuse(422, '["path","id"]', "Input should be a valid UUID", "uuid_parsing")
    end

    ngx.req.read_body()

    local request_id = var.http_x_request_id
    if not request_id or not find(request_id, "^[A-Za-z0-9._:-]{1,128}$", "jo") then
        request_id = var.request_id
    end

    var.task_id = lower(id)
    var.canopy_request_id = request_id
    var.credential = credential
end


function _M.header_filter()
    local header, status = ngx.header, ngx.status

    header["Cache-Control"] = "no-store"
    header["X-Request-ID"] = ngx.var.canopy_request_id ~= "" and ngx.var.canopy_request_id or ngx.var.request_id
    header["Canopy-Environment"] = "live"

    if header["Canopy-Outcome"] then
        return
    end

    if status < 300 then
        ngx.status = 204
        header["Canopy-Outcome"] = "accepted"
        return
    end

    header["Canopy-Outcome"] = status < 500 and "rejected" or "unknown"
    header["Content-Type"] = "application/json"
    header["Content-Length"] = nil
    ngx.ctx.chunks = {}
end


local function entry(value)
    if type(value) ~= "table" then
        value = { msg = tostring(value) }
    end

    local msg = value.msg or value.message or value.title or value.error
    return {
        loc = type(value.loc) == "table" and value.loc or { "path", "id" },
        msg = type(msg) == "string" and sub(msg, 1, 4096) or cjson.encode(value),
        type = type(value.type) == "string" and value.type or "value_error",
    }
end


local function normalize(body)
    local value = cjson.decode(body)
    if type(value) ~= "table" then
        return detail('["path","id"]', "The upstream's answer is not JSON", "value_error")
    end

    local list, entries = value.detail or value.errors or value, {}
    if type(list) ~= "table" or list[1] == nil then
        list = { list }
    end

    for i = 1, #list < 100 and #list or 100 do
        entries[i] = entry(list[i])
    end
    return cjson.encode({ detail = entries })
end


function _M.body_filter()
    local chunks, arg = ngx.ctx.chunks, ngx.arg
    if not chunks then
        return
    end

    if arg[1] ~= "" then
        chunks[#chunks + 1] = arg[1]
    end

    if arg[2] then
        local body = normalize(concat(chunks))
        if string.find(body, credential, 1, true) then
            body = ngx.re.gsub(body, "\\Q" .. credential .. "\\E", "[redacted]", "jo")
        end
        arg[1] = body
    else
        arg[1] = nil
    end
end


return _M
