#!lua flags=allow-oom
-- Ends the life of a shard's data: no script accepts it any more, and of its identity only the next
-- life's epoch is left. The data itself is removed afterwards.
-- KEYS  1 meta
-- ARGV  1 epoch: the highest that anybody knows of
-- Returns {'OK', epoch of the next life}.

local epoch = math.max(tonumber(redis.call('HGET', KEYS[1], 'epoch')) or 0, tonumber(ARGV[1])) + 1
redis.call('HSET', KEYS[1], 'epoch', epoch)
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if field ~= 'epoch' then redis.call('HDEL', KEYS[1], field) end
end
return {'OK', epoch}
