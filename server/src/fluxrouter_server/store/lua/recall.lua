#!lua flags=no-writes
-- Answers what `admit` would before it looks at a candidate, for a caller that has none to offer: a
-- request that was admitted stays so, whatever has become of its model, its plan or its key's limits.
--
-- KEYS  1 to 11 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua, from 9 to 25 as in lib/admission.lua
--
-- {'UNKNOWN', now} where the request is new and the caller's documents are today's
-- {'REPLAYED', now, record}, {'DENIED', …}, {'STALE', …}
--- @include replay
--- @include admission

local reply = refusal or replay()
if reply then
  return reply
end
if not is_fresh then
  return stale(gate.account, gate.plan, gate.catalog)
end
return {'UNKNOWN', now}
