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
-- {'ENDED', now, 1 where it was given before, record}, {'DENIED', …}, {'STALE', …}
--- @include stale
--- @include lookup
--- @include commit

local record = find_hold()
if not record then
  return absence()
end
if not may_touch(record) then
  return denied('HOLD_NOT_YOURS')
end
if record[STATE] == SETTLED then
  return {'ENDED', now, 1, pack(record)}
end
if not (is_current_or_gone(ACCOUNT, ARGV[15]) and is_current_or_gone(PLAN, ARGV[16])) then
  return stale(ARGV[15], ARGV[16])
end
if not record[STATE] then
  recall_current({key})
end
read_counters({record})

local tokens = {}
for i = 1, 5 do
  tokens[i] = tonumber(ARGV[18 + i])
end
local offer, caps = unpack_blob(record[OFFER]), unpack_blob(ARGV[17])
local cost = price(tokens[1], offer[4], tokens[2], offer[5], tokens[3], offer[6], tokens[4], offer[7])
-- Whatever it frees or was charged is its own; beyond that it takes what every level has left.
local most = record[STATE] and record[BILLED] or record[HELD]
if record[PERIOD] > get('cl') then
  most = most + least_room(record, caps)
elseif not record[STATE] then
  most = 0
end
local billed = cost < most and cost or most
conclude(key, record, SETTLED, record[STATE] and 'correction' or 'settlement', cost, billed, caps,
  unpack_blob(ARGV[18]), tokens)

commit()
return {'ENDED', now, 0, pack(record)}
