#!lua flags=allow-oom
-- Puts counters of an account right, if it is still as it was when they were read.
-- KEYS  1 meta  2 account
-- ARGV  1 layout  2 marker  3 now  4 sequence number of the account then, and field and number of each
--       counter
-- Returns {'OK', 1}; {'OK', 0} where the account has another number by now: nothing is written then.

--- @include context

if redis.call('HGET', KEYS[2], 'seq') ~= ARGV[4] then
  return {'OK', 0}
end
local most = 4000 -- more arguments at once would overflow Lua's stack
for first = 5, #ARGV, most do
  redis.call('HSET', KEYS[2], unpack(ARGV, first, math.min(first + most - 1, #ARGV)))
end
return {'OK', 1}
