-- The open period, and the hour, of what is admitted now (docs/protocol.md §5, §6).
--- @include account
local open = {hour = math.floor(now / HOUR_US)} -- also period (its number), period_start, period_end

-- Finds or opens the period that is open now; answers false where the proposal fits no better.
-- Needs pid, pstart, pend and cl to have been read.
--
-- The open period is used until its end, even if the clock is set back before its start. A period
-- that is closed has ended for good: its counters are gone, so a clock that is set back into it must
-- not find it open, and empty.
function open.find_period(proposed_start, proposed_end)
  local value = book.value
  local number, open_end = value.pid, value.pend
  local is_closed = number <= value.cl
  if not is_closed and now < open_end then
    open.period, open.period_start, open.period_end = number, value.pstart, open_end
    return true
  end
  if now < proposed_start or now >= proposed_end or proposed_start < open_end then
    return false
  end
  if not is_closed then
    local old = redis.call('HGET', key.account, 'old')
    old = old and cmsgpack.unpack(old) or {}
    local n = #old
    old[n + 1], old[n + 2], old[n + 3] = number, value.pstart, open_end
    book.blobs.old = cmsgpack.pack(old)
  end
  open.period, open.period_start, open.period_end = number + 1, proposed_start, proposed_end
  book.set('pid', number + 1)
  book.set('pstart', proposed_start)
  book.set('pend', proposed_end)
  book.due = proposed_end + span.life + span.late -- then it may be closed
  return true
end

-- Lists the hour as one that has counters, and drops those of hours that nothing can touch any more.
function open.start_hour()
  local text = redis.call('HGET', key.account, 'hours')
  local hours, kept = text and cmsgpack.unpack(text) or {}, {}
  for _, hour in ipairs(hours) do
    local settled, held = counters('H', 0, hour)
    if (hour + 1) * HOUR_US + span.life + span.late > now or book.get(held) ~= 0 then
      kept[#kept + 1] = hour
    else
      book.dropped[#book.dropped + 1] = settled
      book.dropped[#book.dropped + 1] = held
    end
  end
  kept[#kept + 1] = open.hour
  book.blobs.hours = cmsgpack.pack(kept)
  local settled, held = counters('H', 0, open.hour)
  book.set(settled, 0)
  book.set(held, 0)
end
