#!lua flags=no-writes
-- Reads the counters of the open period in one step.
--
-- KEYS  1 to 11 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua
-- ARGV[9]   generation of the account, [10] of the plan, [11] of the catalog
-- ARGV[12]  levels: msgpack [level, cap or -1, …]
-- ARGV[13]  start and [14] end of the period to report where the open one has ended
--
-- {'SPEND', now, period's start, end, absorbed, included used, in flight, settled, held, …} with the
-- last two for each level in order; {'STALE', …}
--- @include stale
--- @include periods

local is_fresh = is_current(key.account, ARGV[9]) and is_current(key.plan, ARGV[10])
  and is_current(key.catalog, ARGV[11])
if is_fresh then
  book.read({'pid', 'pstart', 'pend', 'cl'})
end
if not is_fresh or not open.find_period(tonumber(ARGV[13]), tonumber(ARGV[14])) then
  return stale(ARGV[9], ARGV[10], ARGV[11])
end

local levels = cmsgpack.unpack(ARGV[12])
local names = {'abs:' .. open.period, 'inc:' .. open.period}
for i = 1, #levels, 2 do
  names[i + 2], names[i + 3] = counters(levels[i], open.period, open.hour)
end
book.read(names)
local holds = redis.call('HLEN', key.holds)
local reply = {'SPEND', now, open.period_start, open.period_end}
for i = 1, #names do
  reply[i + 4 + (i > 2 and 1 or 0)] = book.value[names[i]]
end
reply[7] = holds > 0 and holds - 1 or 0
return reply
