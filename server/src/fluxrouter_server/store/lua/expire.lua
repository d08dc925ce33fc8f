#!lua flags=allow-oom
-- Ends an account's overdue holds, closes its old periods, and says when it is due again.
--
-- KEYS  1 to 8 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua
--
-- {'EXPIRED', now, holds charged, holds released, periods closed, 1 where more is due now,
--  1 where the account was deleted and may be purged}
--- @include overdue
--- @include commit

local has_more, ended = end_overdue()
book.read({'pid', 'pstart', 'pend', 'flags', 'update_us'})

-- Periods that are not closed yet, oldest first, the open one last: [number, start, end, …].
local function unclosed_periods()
  local old = redis.call('HGET', key.account, 'old')
  local periods = old and cmsgpack.unpack(old) or {}
  if book.get('pid') > book.get('cl') then
    local n = #periods
    periods[n + 1], periods[n + 2], periods[n + 3] = book.get('pid'), book.get('pstart'), book.get('pend')
  end
  return periods
end

-- Writes a period's last entry and drops its counters.
local function close(number, period_start, period_end)
  local ending = open_ending()
  book.get('seq')
  ending.append({
    v = 1, k = 'period-close', u = uid, e = epoch, q = ending.next_sequence(), t = now,
    p = number, ps = period_start, pe = period_end, b = 0, sa = book.get('s:' .. number .. ':a'),
    ab = book.get('abs:' .. number), ic = book.get('inc:' .. number),
  })
  local ours = {['abs:' .. number] = true, ['inc:' .. number] = true, ['al:' .. number] = true}
  local levels = '^[sh]:' .. number .. ':'
  -- What there is, and what this very script is about to write.
  for _, fields in ipairs({redis.call('HKEYS', key.account), book.changed}) do
    for _, field in ipairs(fields) do
      if ours[field] or string.find(field, levels) then
        book.dropped[#book.dropped + 1] = field
      end
    end
  end
  book.set('cl', number)
end

-- Closes what nothing can touch any more, in order. Answers how many, and when the next may be.
local function close_periods(periods)
  local closed, kept, due = 0, {}, math.huge
  for i = 1, #periods, 3 do
    local number, period_start, period_end = periods[i], periods[i + 1], periods[i + 2]
    local close_at = period_end + span.life + span.late
    local is_over = close_at <= now and not has_more and book.get('h:' .. number .. ':a') == 0
    if is_over and #kept == 0 then
      close(number, period_start, period_end)
      closed = closed + 1
    else
      local n = #kept
      kept[n + 1], kept[n + 2], kept[n + 3] = number, period_start, period_end
      -- One that a hold still keeps open is looked at again when that hold is due.
      if close_at > now and close_at < due then
        due = close_at
      end
    end
  end
  if closed > 0 then
    local n = #kept
    if kept[n - 2] == book.get('pid') then
      kept[n], kept[n - 1], kept[n - 2] = nil, nil, nil -- the open one is not in the list of old ones
    end
    book.blobs.old = cmsgpack.pack(kept)
  end
  return closed, due
end

local closed, due = close_periods(unclosed_periods())
-- What ends here is due first, so the one after it is the first that stays; or it is the sentinel.
local next_hold = redis.call('ZRANGE', key.due, ended, ended, 'WITHSCORES')
due = math.min(due, tonumber(next_hold[2] or math.huge))

-- A deleted account goes when nothing can touch it any more, and never sooner after its deletion than
-- a period is closed after its end, so that a mistake can be undone.
local may_purge = 0
local is_closed = book.get('pid') <= book.get('cl')
if book.get('flags') >= 2 and is_closed and redis.call('HLEN', key.holds) - 1 == #book.ended then
  -- Nor sooner than 28 local days after its last period, or who deletes and creates it with another
  -- anchor day would have a fresh period's money within days; a local day may be an hour longer.
  local purge_at = math.max(book.get('update_us') + span.life + span.late, book.get('pend') + 29 * 24 * HOUR_US)
  if purge_at <= now then
    -- Where the purge has to wait for the ledger, it must not be in the way of holds that are due.
    may_purge, purge_at = 1, now + 60000000
  end
  due = math.min(due, purge_at)
end
local strays = redis.call('ZRANGEBYSCORE', key.due, '-inf', now, 'LIMIT', 0, ended)

commit()
if #strays > 0 then
  redis.call('ZREM', key.due, unpack(strays))
end
if due < math.huge then
  redis.call('ZADD', key.shard_due, due, uid)
else
  redis.call('ZREM', key.shard_due, uid)
end
return {'EXPIRED', now, book.charged, book.released, closed, has_more and 1 or 0, may_purge}
