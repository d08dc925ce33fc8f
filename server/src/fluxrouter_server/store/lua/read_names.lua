#!lua flags=no-writes
-- Reads a shard's index of accounts in the order of their names.
-- KEYS  1 meta  2 names
-- ARGV  1 layout  2 marker  3 now  4 from  5 to: bounds as ZRANGE BYLEX takes them  6 at most
-- Returns {'OK', [`name NUL uid`, …]}.

--- @include context

return {'OK', redis.call('ZRANGE', KEYS[2], ARGV[4], ARGV[5], 'BYLEX', 'LIMIT', 0, ARGV[6])}
