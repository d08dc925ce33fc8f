#!lua flags=allow-oom
-- Creates a service credential, or removes it where the document is empty.
-- KEYS  1 meta  2 credentials  3 ledger
-- ARGV  1 layout  2 marker  3 now  4 name  5 document
-- Returns {'OK', 1}; {'OK', 0} where the name is taken, or the one to remove is unknown.

--- @include context
--- @include control

local name, document = ARGV[4], ARGV[5]
local is_removal = document == ''
local exists = redis.call('HEXISTS', KEYS[2], name) == 1
if exists ~= is_removal then return {'OK', 0} end

redis.call('HSET', KEYS[2], '~', '')
if is_removal then
  redis.call('HDEL', KEYS[2], name)
  append_control(KEYS[3], {d = 'credential', nm = name})
else
  redis.call('HSET', KEYS[2], name, document)
  append_control(KEYS[3], {d = 'credential', nm = name, by = document})
end
return {'OK', 1}
