#!lua flags=allow-oom
-- Takes entries out of the ledger stream that SQL has: acknowledged and deleted in one step, so that
-- no crash in between leaves one that nobody reads again. Notes until when the ledger has everything,
-- by the clock of stream ids. Moves no money, so it asks for no marker.
--
-- KEYS  1 ledger  2 meta
-- ARGV  1 group, then ids of entries
--
-- How many were taken out
local taken, most = 0, 4000 -- more arguments at once would overflow Lua's stack
for first = 2, #ARGV, most do
  local last = math.min(first + most - 1, #ARGV)
  redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, first, last))
  taken = taken + redis.call('XDEL', KEYS[1], unpack(ARGV, first, last))
end
if redis.call('HEXISTS', KEYS[2], 'marker') == 1 then -- what was lost must not get an identity here
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  local until_ms = oldest and string.match(oldest[1], '^%d+') or redis.call('TIME')[1] * 1000
  redis.call('HSET', KEYS[2], 'taken', until_ms)
end
return taken
