-- wrk: POSTs of 500 bytes, each with a key of its own.
--
--     wrk -s requests.lua URL -- first NAME     keys never used before
--     wrk -s requests.lua URL -- replay NAME    1000 keys, over and over
--
-- NAME keeps the keys of different runs apart. Prints one line that run.sh reads.

local mode, name, count = "first", "", 0
local replays = 1000
local body = '{"amount":1250,"currency":"EUR","note":"'
body = body .. string.rep("x", 500 - #body - 2) .. '"}'
local head = "POST /payments HTTP/1.1\r\n" ..
	"Host: api.example.com\r\n" ..
	"Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n" ..
	"Content-Type: application/json\r\n" ..
	"Content-Length: 500\r\n" ..
	"Idempotency-Key: "
local tail = "\r\n\r\n" .. body

function init(args)
	mode = args[1]
	name = string.format("%-20.20s", args[2]):gsub(" ", "-")
end

function request()
	local number = count
	count = count + 1
	if mode == "replay" then
		number = number % replays
	end
	-- As long as a UUID.
	return head .. name .. string.format("%016d", number) .. tail
end

function done(summary, latency)
	local errors = summary.errors
	io.write(string.format("result %d %d %.0f %.0f %d\n",
		summary.requests, summary.duration,
		latency:percentile(50), latency:percentile(99),
		errors.connect + errors.read + errors.write + errors.status +
		errors.timeout))
end
