#!lua flags=no-writes
-- Lists accounts of a shard of which something is due: a hold's expiry, or an old period's close.
--
-- KEYS[1]  meta, KEYS[2] due
-- ARGV     1 to 3 as in lib/context.lua
-- ARGV[4]  at most so many
--
-- {'OK', now, uid, …}
--- @include context

local uids = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, tonumber(ARGV[4]))
return {'OK', now, unpack(uids)}
