-- What fits: room on the levels that a request counts against, and the denial where there is none.
--- @include account
local POLL_US = 1000000 -- when to ask again where nobody knows when it will help

local function cap_of(levels, i, caps)
  if caps then
    return caps[levels[i]]
  end
  return levels[i + 1]
end

-- The least room under the caps, and under what arithmetic keeps exact; below 0 where a cap was
-- lowered. `levels` is a flat array [level, cap, …]; `caps` by level replaces the caps in it.
local function rooms(levels, caps, period, hour)
  local least, exact = MOST_MONEY, MOST_MONEY
  for i = 1, #levels, 2 do
    local settled, held = counters(levels[i], period, hour)
    settled, held = get(settled), get(held)
    local room = room_of(cap_of(levels, i, caps), settled, held)
    if room < least then
      least = room
    end
    room = MOST_MONEY - settled - held
    if room < exact then
      exact = room
    end
  end
  return least, exact
end

-- The level with the least room among those without room for `need`. The hour is named only where
-- no other level fails: waiting for the next hour would help nothing else.
local function failing_level(levels, caps, need, period, hour)
  local worst, worst_room, hour_place
  for i = 1, #levels, 2 do
    local settled, held = counters(levels[i], period, hour)
    local room = room_of(cap_of(levels, i, caps), get(settled), get(held))
    if levels[i] == 'H' then
      hour_place = i
    elseif room < need and (not worst or room < worst_room) then
      worst, worst_room = i, room
    end
  end
  return worst or hour_place
end

-- The denial's figures from [8] on: level, cap, settled, held, need, instant of its reset.
local function deny_by_level(levels, caps, need, period, hour, period_end, has_more_overdue)
  local i = failing_level(levels, caps, need, period, hour)
  local settled, held = counters(levels[i], period, hour)
  local reset, reason, wait = period_end, 'CAP_REACHED', -1
  if levels[i] == 'H' then
    reset, reason = (hour + 1) * HOUR_US, 'HOURLY_CAP_REACHED'
    wait = reset > now and reset - now or POLL_US
  end
  if has_more_overdue then
    wait = POLL_US
  end
  local cap = cap_of(levels, i, caps)
  if not cap or cap < 0 then
    cap = MOST_MONEY
  end
  local reply = denied(reason, has_more_overdue and 'OVERDUE' or '', wait)
  reply[8], reply[9], reply[10], reply[11] = levels[i], cap, get(settled), get(held)
  reply[12], reply[13] = need, reset
  return reply
end

-- The dearest rate at which a token of input may be billed, of an offer (see records).
local function dearest(offer)
  local rate = offer[4]
  if offer[5] > rate then
    rate = offer[5]
  end
  return offer[6] > rate and offer[6] or rate
end

-- The most that an offer's request can cost with that much output per choice.
local function need_of(offer, output)
  return worst_case(offer[1], dearest(offer), offer[3] * output, offer[7])
end
