-- The open period, and the hour, of what is admitted now (docs/protocol.md §5, §6).
--- @include ending
local period, period_start, period_end -- what new holds count against
local hour = floor(now / HOUR_US)

-- Finds or opens the period that is open now; answers false where the proposal fits no better.
--
-- The open period is used until its end, even if the clock is set back before its start. A period
-- that is closed has ended for good: its counters are gone, so a clock that is set back into it must
-- not find it open, and empty.
local function open_period(proposed_start, proposed_end)
  local open_end = get('pend')
  period = get('pid')
  if period > 0 and now < open_end and period > get('cl') then
    period_start, period_end = get('pstart'), open_end
    return true
  end
  if now < proposed_start or now >= proposed_end or proposed_start < open_end then
    return false
  end
  if period > get('cl') then
    local old = redis.call('HGET', ACCOUNT, 'old')
    old = old and unpack_blob(old) or {}
    local n = #old
    old[n + 1], old[n + 2], old[n + 3] = period, get('pstart'), open_end
    blobs.old = pack(old)
  end
  period, period_start, period_end = period + 1, proposed_start, proposed_end
  set('pid', period)
  set('pstart', period_start)
  set('pend', period_end)
  return true
end

-- Lists the hour as one that has counters, and drops those of hours that nothing can touch any more.
local function open_hour()
  if not is_absent['h:H' .. hour] then
    return
  end
  local text = redis.call('HGET', ACCOUNT, 'hours')
  local hours, kept = text and unpack_blob(text) or {}, {}
  for i = 1, #hours do
    local settled, held = counters('H', 0, hours[i])
    if (hours[i] + 1) * HOUR_US + max_hold_life + late_window > now or get(held) ~= 0 then
      kept[#kept + 1] = hours[i]
    else
      dropped[#dropped + 1] = settled
      dropped[#dropped + 1] = held
    end
  end
  kept[#kept + 1] = hour
  blobs.hours = pack(kept)
  set('s:H' .. hour, 0)
  set('h:H' .. hour, 0)
  is_absent['h:H' .. hour] = nil
end
