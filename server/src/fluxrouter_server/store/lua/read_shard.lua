#!lua flags=no-writes
-- Says what a shard is, whatever it is.
-- KEYS  1 meta  2 names
-- Returns {'OK', layout, shards, hash, clock, epoch, marker, number of accounts}, each '' where unknown.

local found = redis.call('HMGET', KEYS[1], 'layout', 'shards', 'hash', 'clock', 'epoch', 'marker')
local answer = {'OK'}
for i = 1, 6 do answer[i + 1] = found[i] or '' end
answer[8] = math.max(0, redis.call('ZCARD', KEYS[2]) - 1) -- without the sentinel
return answer
