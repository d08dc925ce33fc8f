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
--- @include overdue
--- @include commit
--- @include levels

local record = find_hold()
if not record then
  return absence()
end
if not may_touch(record) then
  return denied('HOLD_NOT_YOURS')
end
if record[STATE] or record[PERIOD] <= get('cl') then
  return denied('HOLD_ENDED')
end
if not (is_current(ACCOUNT, ARGV[15]) and is_current(PLAN, ARGV[16])) then
  return stale(ARGV[15], ARGV[16])
end

-- Admit's checks of the state; the key is the one that the hold was made with.
local function deny_by_state()
  local key_field = record[KEY_FIELD]
  local found = redis.call('HMGET', ACCOUNT, 'flags', key_field)
  if key_field ~= '' and tonumber(found[2] or 0) <= now then
    return denied('API_KEY_INVALID')
  end
  if tonumber(found[1] or 0) >= 2 then
    return denied('RESOURCE_NOT_FOUND')
  end
  if found[1] == '1' then
    return denied('ACCOUNT_SUSPENDED')
  end
  if ARGV[19] == '1' and ARGV[18] ~= '1' then
    return denied('PAYMENT_METHOD_REQUIRED')
  end
end

local reply = deny_by_state()
if reply then
  return reply
end

local has_more_overdue = end_overdue()
if record[EXPIRE] <= now then
  commit()
  return denied('HOLD_ENDED')
end
read_counters({record})

local offer, caps = unpack_blob(record[OFFER]), unpack_blob(ARGV[17])
local output = tonumber(ARGV[20])
if output < record[GRANTED] then
  output = record[GRANTED]
end
if output * offer[3] > MOST_TOKENS then
  reply = denied('INVALID_REQUEST', 'OUTPUT_TOKENS')
  reply[8] = floor(MOST_TOKENS / offer[3])
else
  local more = need_of(offer, output) - record[HELD]
  local levels = levels_of(record)
  local least, exact = rooms(levels, caps, record[PERIOD], record[HOUR])
  if more > exact or (more > least and more > 0 and ARGV[18] ~= '1') then
    reply = deny_by_level(levels, caps, more, record[PERIOD], record[HOUR], record[PERIOD_END], has_more_overdue)
  else
    local last = record[ADMITTED] + max_hold_life
    local expiry = tonumber(ARGV[21])
    expiry = expiry < last and expiry or last
    if expiry > record[EXPIRE] then
      record[EXPIRE] = expiry
    end
    move(record, 0, more)
    record[HELD], record[GRANTED] = record[HELD] + more, output
    local headroom = least > more and least - more or 0
    reply = {'EXTENDED', now, record[HELD], output, record[EXPIRE], headroom, expired_charged, expired_released}
  end
end

commit()
if reply[1] == 'EXTENDED' then
  redis.call('HSET', HOLDS, key, pack(record))
  redis.call('ZADD', HOLD_DUE, record[EXPIRE], key)
end
return reply
