-- How fast an account may go: GCRA in integer µs (docs/protocol.md §4).
--
-- A theoretical arrival time (TAT) says when the account would be idle again had it come evenly. It
-- is read here and written only with a hold, so a denied request uses up nothing. It never lies more
-- than a whole burst ahead, so a clock that was set back costs at most one burst of waiting.
--- @include account
local function arrival(field, span)
  local tat = get(field)
  if tat < now then
    return now
  end
  return tat > now + span and now + span or tat
end

-- How long to wait until `cost` µs of a rate with a burst of `span` µs are free: 0 where they are.
-- For one request, cost = interval and span = interval × burst: `tat − now > interval × (burst − 1)`.
local function wait_for(field, cost, span)
  local wait = arrival(field, span) - now + cost - span
  return wait > 0 and wait or 0
end

local function use(field, cost, span)
  local tat = arrival(field, span) + cost
  set(field, tat > now + span and now + span or tat)
end

local MINUTE_US = 60000000
local function token_cost(tokens, per_minute)
  return ceil(tokens * MINUTE_US / per_minute)
end
