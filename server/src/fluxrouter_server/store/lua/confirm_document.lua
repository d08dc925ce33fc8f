#!lua flags=allow-oom
-- Notes in the home shard that every shard holds this generation of a plan or the catalog.
-- KEYS  1 meta  2 the document
-- ARGV  1 layout  2 marker  3 now  4 generation
-- Returns {'OK'}; where another generation is pending by now, it stays so.

--- @include context

if redis.call('HGET', KEYS[2], 'pending') == ARGV[4] then
  redis.call('HDEL', KEYS[2], 'pending')
end
return {'OK'}
