#!lua
-- Enlarges a live hold to an absolute output and expiry, where it fits; the larger wins.
--
-- KEYS  1 to 10 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua, 9 to 14 as in lib/lookup.lua
-- ARGV[15]  generation of the account, [16] of the plan
-- ARGV[17]  caps: msgpack {level: cap}
-- ARGV[18]  1 where caps are only observed, [19] 1 where a payment method is missing
-- ARGV[20]  output tokens per choice, 0 as before; [21] expiry in µs, 0 as before
--
-- {'EXTENDED', now, held, output tokens, expiry, headroom, holds ended by expiry and charged, and
--  released}, {'DENIED', …}, {'STALE', …}
--- @include stale
--- @include lookup
--- @include arith
--- @include levels
--- @include overdue
--- @include commit

local record = find_hold()
if not record then
  return absence()
end
if not may_touch(record) then
  return denied('HOLD_NOT_YOURS')
end
if record[R.STATE] or record[R.PERIOD] <= book.get('cl') then
  return denied('HOLD_ENDED')
end
if not (is_current(key.account, ARGV[15]) and is_current(key.plan, ARGV[16])) then
  return stale(ARGV[15], ARGV[16])
end

-- Admit's checks of the state; the key is the one that the hold was made with.
local function deny_by_state()
  local kept = redis.call('HMGET', key.account, 'flags', record[R.KEY_FIELD])
  if record[R.KEY_FIELD] ~= '' and tonumber(kept[2] or 0) <= now then
    return denied('API_KEY_INVALID')
  end
  if tonumber(kept[1] or 0) >= 2 then
    return denied('RESOURCE_NOT_FOUND')
  end
  if kept[1] == '1' then
    return denied('ACCOUNT_SUSPENDED')
  end
  if ARGV[19] == '1' and ARGV[18] == '0' then
    return denied('PAYMENT_METHOD_REQUIRED')
  end
end

-- Enlarges the record where it fits; answers the script's reply.
local function enlarge(has_more_overdue)
  local offer, output = cmsgpack.unpack(record[R.OFFER]), tonumber(ARGV[20])
  if output < record[R.GRANTED] then
    output = record[R.GRANTED]
  end
  local most_output = math.floor(100000000 / offer[3]) -- what can be priced, see arith
  if output > most_output then
    local reply = denied('INVALID_REQUEST', 'OUTPUT_TOKENS')
    reply[8] = most_output
    return reply
  end
  local ending = open_ending()
  ending.read_counters({record})
  local more = worst_case(offer, output) - record[R.HELD]
  local at, caps = ending.levels_of(record), cmsgpack.unpack(ARGV[17])
  at.hour, at.period_end = record[R.HOUR], record[R.PERIOD_END]
  for i, level in ipairs(at.names) do
    at.caps[i] = caps[level] or -1
  end
  local least, exact = rooms(at)
  if more > exact or (more > 0 and more > least and ARGV[18] == '0') then
    return deny_by_level(at, more, has_more_overdue)
  end
  local expiry, last = tonumber(ARGV[21]), record[R.ADMITTED] + span.life
  if expiry > last then
    expiry = last
  end
  if expiry > record[R.EXPIRE] then
    record[R.EXPIRE] = expiry
  end
  ending.move(record, 0, more)
  record[R.HELD], record[R.GRANTED] = record[R.HELD] + more, output
  return {'EXTENDED', now, record[R.HELD], output, record[R.EXPIRE], least > more and least - more or 0,
    book.charged, book.released}
end

local reply = deny_by_state()
if reply then
  return reply
end
local has_more_overdue = end_overdue()
if record[R.EXPIRE] <= now then
  reply = denied('HOLD_ENDED')
else
  reply = enlarge(has_more_overdue)
end
commit()
if reply[1] == 'EXTENDED' then
  redis.call('HSET', key.holds, request, cmsgpack.pack(record))
  redis.call('ZADD', key.due, record[R.EXPIRE], request)
end
return reply
