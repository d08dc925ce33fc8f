-- How fast an account may go: GCRA in integer µs (docs/protocol.md §4).
--
-- A theoretical arrival time (TAT) says when the account would be idle again had it come evenly. It
-- is read here and moved on only with a hold, so a denied request uses up nothing. It never lies more
-- than a whole burst ahead: where it does, the clock was set back (or the burst made smaller), and it
-- is corrected for good, also by a denial. Else the account would wait until the clock has caught up.
--- @include account

-- How long to wait until `cost` µs of a rate with a burst of `burst` µs are free (0 where they are),
-- and the TAT with them. For one request, cost is the interval between two, and a positive wait is
-- `tat − now > interval × (burst − 1)`.
local function take(field, cost, burst)
  local tat, latest = book.value[field], now + burst
  if tat < now then
    tat = now
  elseif tat > latest then
    tat = latest
    book.set(field, tat)
  end
  tat = tat + cost
  if tat > latest then
    return tat - latest, latest
  end
  return 0, tat
end
