-- Room on the levels that a request counts against, and the denial where there is not enough.
--- @include account

-- Levels are given as `at`: lists of their names, caps (below 0 is none) and names of settled and
-- held counters, with the hour and the period_end that they belong to.

-- The least room under the caps, and under what doubles count exactly; below 0 where a cap was
-- lowered.
local function rooms(at)
  local least, exact = MOST_MONEY, MOST_MONEY
  local value, caps, settled, held = book.value, at.caps, at.settled, at.held
  for i = 1, #caps do
    local used, cap = value[settled[i]] + value[held[i]], caps[i]
    if cap >= 0 and cap - used < least then
      least = cap - used
    end
    if MOST_MONEY - used < exact then
      exact = MOST_MONEY - used
    end
  end
  return least < exact and least or exact, exact
end

-- Names the level with the least room among those without room for `need`; the hour only where no
-- other level fails, because waiting for the next hour would help nothing else. Figures from [8] on:
-- level, cap, settled, held, need, instant of its reset.
local function deny_by_level(at, need, has_more_overdue)
  local worst, worst_room, hour_place
  for i, name in ipairs(at.names) do
    local cap = at.caps[i] < 0 and MOST_MONEY or at.caps[i]
    local room = cap - book.value[at.settled[i]] - book.value[at.held[i]]
    if name == 'H' then
      hour_place = i
    elseif room < need and (not worst or room < worst_room) then
      worst, worst_room = i, room
    end
  end
  local reset, reason, wait = at.period_end, 'CAP_REACHED', -1
  if not worst then
    worst, reset, reason = hour_place, (at.hour + 1) * HOUR_US, 'HOURLY_CAP_REACHED'
    wait = reset > now and reset - now or -1
  end
  if has_more_overdue then
    wait = 1000000 -- what is overdue and not ended yet may make room in a moment
  end
  local reply = denied(reason, has_more_overdue and 'OVERDUE' or '', wait)
  reply[8], reply[9] = at.names[worst], at.caps[worst] < 0 and MOST_MONEY or at.caps[worst]
  reply[10], reply[11] = book.value[at.settled[worst]], book.value[at.held[worst]]
  reply[12], reply[13] = need, reset
  return reply
end
