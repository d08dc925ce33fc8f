#!lua flags=allow-oom
-- Gives a hold back, by its id or by its request; remembers a request that is not known, so that it
-- cannot come to life any more.
--
-- KEYS  1 to 8 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua, 9 to 14 as in lib/lookup.lua (11 and 12 '' for a request)
-- ARGV[15]  caps: msgpack {level: cap}, for the headroom that is answered
-- ARGV[16]  request id, [17] the one call whose hold is meant, '' any
--
-- {'ENDED', now, 1 where it ended before, record}; {'KEPT', now, record}: another call's, it stays;
-- {'REMEMBERED', now}, {'MISSING', now}: there is no such account, {'DENIED', …}
--- @include lookup
--- @include commit

local call = ARGV[17]
local record = find_hold()

if record then
  if not may_touch(record) then
    return denied('HOLD_NOT_YOURS')
  end
  if record[STATE] then
    return {'ENDED', now, 1, pack(record)}
  end
  if call ~= '' and record[CALL] ~= call then
    return {'KEPT', now, pack(record)}
  end
  recall_current({key})
  read_counters({record})
  conclude(key, record, RELEASED, 'release', 0, 0, unpack_blob(ARGV[15]))
  commit()
  return {'ENDED', now, 0, pack(record)}
end

if born_epoch then
  return absence()
end
if redis.call('HEXISTS', ACCOUNT, 'gen') == 0 then
  return {'MISSING', now}
end
local current, older = recall(key)
local function is_refusal(other)
  return other[ATTEMPT] == attempt and other[STATE] == NEVER and other[CALL] == call
end
-- So many endings refuse every further attempt by themselves.
if not find_in(current, older, is_refusal) and #current < MOST_ATTEMPTS then
  local refusal = {
    attempt, '', call, epoch, now, 0, 0, 0, 0, 0, 0, 0, '', ARGV[13], '', ARGV[16], '', '', '', '', 0, '',
    NEVER, now, 0, 0, 0, 0, 0, 0, 0,
  }
  remember(key, refusal)
  commit()
end
return {'REMEMBERED', now}
