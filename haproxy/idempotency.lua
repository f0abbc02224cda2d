-- idempotency.lua: `http-request lua.idempotency-replay` answers a request with
-- the response that was recorded for its key, byte for byte:
--
--     txn.idem.status   the status
--     txn.idem.headers  the headers, in the encoding of res.hdrs_bin
--     txn.idem.body     the body, NUL bytes included
--
-- and says so in `Idempotency-Replayed: true`. When the variables make no sense
-- it does nothing: the rule behind it in haproxy.cfg refuses the request.

-- HAProxy's variable-length integers: below 240 one byte, else 4 bits in the
-- first and 7 in each that follows, least significant first. Returns the value
-- and the place behind it; nil when `bytes` ends before.
local function read_varint(bytes, at)
	local value = bytes:byte(at)
	if not value then
		return nil
	end
	if value < 240 then
		return value, at + 1
	end
	local shift = 4
	for place = at + 1, at + 9 do
		local byte = bytes:byte(place)
		if not byte then
			return nil
		end
		value = value + (byte << shift)
		shift = shift + 7
		if byte < 128 then
			return value, place + 1
		end
	end
	return nil
end

local function read_string(bytes, at)
	local size, from = read_varint(bytes, at)
	if not size or size < 0 or size > #bytes - from + 1 then
		return nil
	end
	return bytes:sub(from, from + size - 1), from + size
end

-- A list of {name, value}, in order, repeats included; nil when malformed.
-- Two empty strings end it.
local function read_headers(bytes)
	local headers = {}
	local at = 1
	while true do
		local name, value
		name, at = read_string(bytes, at)
		if not name then
			return nil
		end
		value, at = read_string(bytes, at)
		if not value then
			return nil
		end
		if name == "" then
			return headers
		end
		headers[#headers + 1] = { name, value }
	end
end

-- RFC 9110 sections 6.4.1 and 9.3.2.
local function has_no_body(method, status)
	return method == "HEAD" or status == 204 or status == 304
end

local function replay(txn)
	local status = txn:get_var("txn.idem.status")
	local headers = txn:get_var("txn.idem.headers")
	local body = txn:get_var("txn.idem.body")
	if not status or not headers or not body then
		txn:Alert("idempotency: a replay without status, headers or body")
		return
	end
	local list = read_headers(headers)
	if not list then
		txn:Alert("idempotency: a replay with malformed headers")
		return
	end
	local reply = txn:reply{ status = status }
	for _, header in ipairs(list) do
		reply:add_header(header[1], header[2])
	end
	reply:add_header("idempotency-replayed", "true")
	if has_no_body(txn.f:method(), status) then
		-- HAProxy would announce a body of no bytes, which is not what
		-- the first answer said: haproxy.cfg removes it.
		txn:set_var("txn.idem_bodyless", true)
	else
		-- Not reply:set_body(): that stops at the first NUL byte.
		reply.body = body
	end
	txn:done(reply)
end

core.register_action("idempotency-replay", { "http-req" }, replay)
