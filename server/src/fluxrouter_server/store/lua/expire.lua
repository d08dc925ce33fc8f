#!lua flags=allow-oom
-- Ends an account's overdue holds, closes its old periods, and says when it is due again.
--
-- KEYS  1 to 8 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua
--
-- {'EXPIRED', now, holds charged, holds released, periods closed, 1 where more is due now}
--- @include overdue
--- @include commit

local NEVER_DUE = 9007199254740992
local has_more = end_overdue()
read_fields({'pid', 'pstart', 'pend'})

-- Periods that are not closed yet, oldest first, the open one last: [number, start, end, …].
local function unclosed_periods()
  local old = redis.call('HGET', ACCOUNT, 'old')
  local periods = old and unpack_blob(old) or {}
  if get('pid') > get('cl') then
    local n = #periods
    periods[n + 1], periods[n + 2], periods[n + 3] = get('pid'), get('pstart'), get('pend')
  end
  return periods
end

-- Writes the period's last entry and drops its counters.
local function close(number, period_start, period_end)
  local settled = get('s:' .. number .. ':a')
  local entry = next_entry()
  entry.k, entry.p, entry.ps, entry.pe, entry.sa, entry.b = 'period-close', number, period_start, period_end, settled, 0
  entry.ab, entry.ic = get('abs:' .. number), get('inc:' .. number)
  append(entry)
  local ours = {['abs:' .. number] = true, ['inc:' .. number] = true, ['al:' .. number] = true}
  local levels = '^[sh]:' .. number .. ':'
  for _, field in ipairs(redis.call('HKEYS', ACCOUNT)) do
    if ours[field] or string.find(field, levels) then
      dropped[#dropped + 1] = field
    end
  end
  set('cl', number)
end

-- Closes what nothing can touch any more, in order, and answers when the next may be closed.
local function close_periods(periods)
  local closed, keep, due = 0, {}, NEVER_DUE
  for i = 1, #periods, 3 do
    local number, period_start, period_end = periods[i], periods[i + 1], periods[i + 2]
    local close_at = period_end + max_hold_life + late_window
    local is_over = close_at <= now and not has_more and get('h:' .. number .. ':a') == 0
    if is_over and #keep == 0 then
      close(number, period_start, period_end)
      closed = closed + 1
    else
      local n = #keep
      keep[n + 1], keep[n + 2], keep[n + 3] = number, period_start, period_end
      -- One that a hold still keeps open is looked at again when that hold is due.
      if close_at > now and close_at < due then
        due = close_at
      end
    end
  end
  if closed > 0 then
    if keep[#keep - 2] == get('pid') then
      keep[#keep], keep[#keep - 1], keep[#keep - 2] = nil, nil, nil
    end
    blobs.old = pack(keep)
  end
  return closed, due
end

local closed, due = close_periods(unclosed_periods())
-- One more than what ends here: the first that stays, or the sentinel.
local upcoming = redis.call('ZRANGE', HOLD_DUE, #ended_keys + #stray_keys, #ended_keys + #stray_keys, 'WITHSCORES')
local next_hold = tonumber(upcoming[2] or NEVER_DUE)
if next_hold < due then
  due = next_hold
end

commit()
if #stray_keys > 0 then
  redis.call('ZREM', HOLD_DUE, unpack(stray_keys))
end
if due < NEVER_DUE then
  redis.call('ZADD', SHARD_DUE, due, uid)
else
  redis.call('ZREM', SHARD_DUE, uid)
end
return {'EXPIRED', now, expired_charged, expired_released, closed, has_more and 1 or 0}
