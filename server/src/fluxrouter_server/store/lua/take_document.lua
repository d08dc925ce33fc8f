#!lua flags=allow-oom
-- Puts a shard's copy of a plan or the catalog in place, unless the shard holds a newer one.
-- KEYS  1 meta  2 the document
-- ARGV  1 layout  2 marker  3 now  4 counter  5 generation  6 document  7 update_us
-- Returns {'OK', generation that the shard holds now}.

--- @include context

local held = redis.call('HGET', KEYS[2], 'gen')
if held and tonumber(string.match(held, '^%d+')) >= tonumber(ARGV[4]) then
  return {'OK', held}
end
redis.call('HSET', KEYS[2], 'gen', ARGV[5], 'doc', ARGV[6], 'update_us', ARGV[7])
return {'OK', ARGV[5]}
