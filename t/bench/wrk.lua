-- Sends what Canopy::Bench::Requests has written: texts in turn, or one text in which each request has a number of its own.
--
--     wrk -s wrk.lua http://127.0.0.1:PORT/ -- FILE FIRST

local texts, before, after = {}, nil, nil
local three = {}
local n = 0

local function base64(text)
    local set = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    local bits = (text:byte(1) * 256 + text:byte(2)) * 256 + text:byte(3)
    local code = ""
    for _ = 1, 4 do
        local at = bits % 64
        code = set:sub(at + 1, at + 1) .. code
        bits = (bits - at) / 64
    end
    return code
end

function init(args)
    local file = assert(io.open(args[1], "rb"))
    local all = file:read("*a")
    file:close()
    n = tonumber(args[2])

    for text in all:gmatch("[^%z]+") do
        texts[#texts + 1] = text
    end
    before, after = texts[1]:match("^(.*)@@@@@@@@@@@@(.*)$")
    for i = 0, 999 do
        three[i] = base64(("%03d"):format(i))
    end
end

function request()
    n = n + 1
    if not before then
        return texts[n % #texts + 1]
    end
    return before .. three[math.floor(n / 1e6) % 1000] .. three[math.floor(n / 1e3) % 1000] .. three[n % 1000] .. after
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(("\nfigures requests=%d us=%d connect=%d read=%d write=%d timeout=%d status=%d p50=%d p99=%d max=%d\n"):format(
        summary.requests, summary.duration, errors.connect, errors.read, errors.write, errors.timeout, errors.status,
        latency:percentile(50), latency:percentile(99), latency.max))
end
