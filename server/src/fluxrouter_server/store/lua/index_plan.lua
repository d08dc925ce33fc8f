#!lua flags=allow-oom
-- Notes the name of a plan in shard 0, so that it can be found.
-- KEYS  1 meta  2 plans
-- ARGV  1 layout  2 marker  3 now  4 name
-- Returns {'OK'}.

--- @include context

redis.call('HSET', KEYS[2], ARGV[4], '')
return {'OK'}
