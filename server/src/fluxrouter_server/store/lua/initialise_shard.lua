#!lua flags=allow-oom
-- Begins a life of a shard's data, unless it has one. Who comes second finds the first's.
-- KEYS  1 meta  2 names  3 due of the shard  4 ledger
-- ARGV  1 layout  2 marker  3 now, '' for the store's own  4 shards  5 hash  6 clock
--       7 epoch, '' where nobody chose one
-- Returns {'OK', 1 where this call began it}.

local found = redis.call('HMGET', KEYS[1], 'marker', 'epoch')
if found[1] then return {'OK', 0} end
local epoch = tonumber(ARGV[7]) or tonumber(found[2]) or 1 -- the second: of a reinitialisation
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

--- @include control

redis.call('HSET', KEYS[1], 'layout', ARGV[1], 'marker', ARGV[2], 'shards', ARGV[4],
  'hash', ARGV[5], 'clock', ARGV[6], 'epoch', epoch)
redis.call('ZADD', KEYS[2], 0, '~')
redis.call('ZADD', KEYS[3], '+inf', '~')
append_control(KEYS[4], {d = 'layout', g = ARGV[2]})
return {'OK', 1}
