#!lua flags=allow-oom
-- Takes entries out of the ledger stream that SQL has: acknowledged and deleted in one step, so that
-- no crash in between leaves one that nobody reads again. Moves no money, so it asks for no marker.
--
-- KEYS  1 ledger
-- ARGV  1 group, then ids of entries
--
-- How many were taken out
local taken, most = 0, 4000 -- more arguments at once would overflow Lua's stack
for first = 2, #ARGV, most do
  local last = math.min(first + most - 1, #ARGV)
  redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, first, last))
  taken = taken + redis.call('XDEL', KEYS[1], unpack(ARGV, first, last))
end
return taken
