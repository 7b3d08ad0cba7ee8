-- POST /token as BENCH_CLIENT:BENCH_SECRET, for wrk.
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
  local bits = text:gsub(".", function(c)
    local byte, out = c:byte(), ""
    for at = 7, 0, -1 do out = out .. math.floor(byte / 2 ^ at) % 2 end
    return out
  end) .. "0000"
  local out = bits:gsub("%d%d%d?%d?%d?%d?", function(six)
    if #six < 6 then return "" end
    return alphabet:sub(tonumber(six, 2) + 1, tonumber(six, 2) + 1)
  end)
  return out .. ({ "", "==", "=" })[#text % 3 + 1]
end

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Authorization"] = "Basic " .. base64(os.getenv("BENCH_CLIENT") .. ":" .. os.getenv("BENCH_SECRET"))
wrk.body = os.getenv("BENCH_BODY")
