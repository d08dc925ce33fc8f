#!lua flags=allow-oom
-- Charges a hold with what was used, never more than fits; the rest is absorbed.
--
-- KEYS  1 to 10 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua, 9 to 14 as in lib/lookup.lua
-- ARGV[15]  generation of the account, [16] of the plan
-- ARGV[17]  caps: msgpack {level: cap}; a level that is missing has none
-- ARGV[18]  alerts: msgpack [percent, amount, …] ascending
-- ARGV[19]  input, [20] cached input, [21] cache write, [22] output and [23] reasoning tokens
--
-- {'ENDED', …} as in lib/lookup.lua, {'DENIED', …}, {'STALE', …}
--- @include stale
--- @include lookup
--- @include arith
--- @include ending
--- @include commit

local record = find_hold()
if not record then
  return absence()
end
if not may_touch(record) then
  return denied('HOLD_NOT_YOURS')
end
if record[R.STATE] == 'settled' then
  return receipt('ENDED', record, 1)
end
if redis.call('HEXISTS', key.account, 'gen') == 0 then
  return denied('HOLD_TOO_OLD') -- the account was purged; nothing may count for it again
end

-- Where a document is gone there is nothing newer to refresh to, and a settlement must not be lost.
local function is_current_or_gone(document, known)
  local kept = redis.call('HMGET', document, 'gen', 'doc')
  return kept[1] == known or not kept[1] or kept[2] == ''
end
if not (is_current_or_gone(key.account, ARGV[15]) and is_current_or_gone(key.plan, ARGV[16])) then
  return stale(ARGV[15], ARGV[16])
end

local ending = open_ending()
ending.read_counters({record})
local tokens = {}
for i = 1, 5 do
  tokens[i] = tonumber(ARGV[18 + i])
end
local offer, caps = cmsgpack.unpack(record[R.OFFER]), cmsgpack.unpack(ARGV[17])
local cost = price(tokens[1], offer[4], tokens[2], offer[5], tokens[3], offer[6], tokens[4], offer[7])
-- What it still holds or was charged is its own; beyond that it takes what every level has left.
local most = record[R.STATE] and record[R.BILLED] or record[R.HELD]
if ending.is_open(record) then
  most = most + ending.least_room(record, caps)
elseif not record[R.STATE] then
  most = 0 -- the period was closed under it, and with it the counters that it could be charged to
end
ending.conclude(request, record, {
  state = 'settled', kind = record[R.STATE] and 'correction' or 'settlement',
  cost = cost, billed = cost < most and cost or most,
  caps = caps, alerts = cmsgpack.unpack(ARGV[18]), tokens = tokens,
})

commit()
return receipt('ENDED', record, 0)
