#!lua flags=allow-oom
-- Gives a hold back, by its id or by its request; remembers a request that is not known, so that it
-- cannot come to life any more.
--
-- KEYS  1 to 8 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua, 9 to 14 as in lib/lookup.lua (11 and 12 '' for a request)
-- ARGV[15]  caps: msgpack {level: cap}, for the headroom that is answered
-- ARGV[16]  request id, [17] the one call whose hold is meant, '' any
--
-- {'ENDED', …} as in lib/lookup.lua; {'KEPT', …} the same, of another call's hold, which stays;
-- {'REMEMBERED', now}; {'MISSING', now}: there is no such account; {'DENIED', …}
--- @include lookup
--- @include ending
--- @include commit

local call = ARGV[17]
local record = find_hold()

if record then
  if not may_touch(record) then
    return denied('HOLD_NOT_YOURS')
  end
  if record[R.STATE] then
    return receipt('ENDED', record, 1)
  end
  if call ~= '' and record[R.CALL] ~= call then
    return receipt('KEPT', record, 0)
  end
  local ending = open_ending()
  ending.read_counters({record})
  ending.conclude(request, record, {
    state = 'released', kind = 'release', cost = 0, billed = 0, caps = cmsgpack.unpack(ARGV[15]),
  })
  commit()
  return receipt('ENDED', record, 0)
end

if born_epoch then
  return absence()
end
if redis.call('HEXISTS', key.account, 'gen') == 0 then
  return {'MISSING', now}
end

local function is_refused(other)
  return other[R.ATTEMPT] == attempt and other[R.STATE] == 'never' and other[R.CALL] == call
end
local attempts = book.tombs[request]
-- So many endings refuse every further attempt by themselves.
if not tombs.find(attempts, {}, is_refused) and #attempts < MOST_ATTEMPTS then
  tombs.remember(request, { -- in the order of lib/records.lua
    attempt, '', call, epoch, now, 0, 0, 0, 0, 0, 0, 0, '', ARGV[13], '', ARGV[16], '', '', '', '', 0, '',
    'never', now, 0, 0, 0, 0, 0, 0, 0,
  })
  commit()
end
return {'REMEMBERED', now}
