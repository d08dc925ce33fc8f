#!lua flags=no-writes
-- Reads all service credentials, in no order.
-- KEYS  1 meta  2 credentials
-- ARGV  1 layout  2 marker  3 now
-- Returns {'OK', documents}; the sentinel's is empty.

--- @include context

return {'OK', redis.call('HVALS', KEYS[2])}
