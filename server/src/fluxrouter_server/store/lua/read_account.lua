#!lua flags=no-writes
-- Reads an account in one step.
-- KEYS  1 meta  2 account  3 document
-- ARGV  1 layout  2 marker  3 now
-- Returns {'OK', time of the store, generation, update_us, flags, period's start, its end, document}:
-- generation and document are '' where there is no account, the end is 0 before the first period.

--- @include context

local found = redis.call('HMGET', KEYS[2], 'gen', 'update_us', 'flags', 'pstart', 'pend')
local answer = {'OK', now, found[1] or ''}
for i = 2, 5 do answer[i + 2] = tonumber(found[i]) or 0 end
answer[8] = redis.call('GET', KEYS[3]) or ''
return answer
