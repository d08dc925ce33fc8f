#!lua flags=no-writes
-- Lists the names of all plans that there ever were, in no order.
-- KEYS  1 meta  2 plans
-- ARGV  1 layout  2 marker  3 now
-- Returns {'OK', names}.

--- @include context

return {'OK', redis.call('HKEYS', KEYS[2])}
