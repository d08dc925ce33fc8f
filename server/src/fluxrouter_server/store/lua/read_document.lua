#!lua flags=no-writes
-- Reads a plan or the catalog from its home shard.
-- KEYS  1 meta  2 the document
-- ARGV  1 layout  2 marker  3 now
-- Returns {'OK', generation, document, update_us, pending}: generation and document are '' where
-- there never was one, the document where it was deleted.

--- @include context

local found = redis.call('HMGET', KEYS[2], 'gen', 'doc', 'update_us', 'pending')
return {'OK', found[1] or '', found[2] or '', tonumber(found[3]) or 0, found[4] or ''}
