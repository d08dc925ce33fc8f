#!lua flags=no-writes
-- Says what `admit` would do now; writes nothing, and asks for no replay.
--
-- KEYS  1 to 11 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua, from 9 on as in lib/admission.lua
--
-- {'FITS', now, candidate from 1, output tokens, need, headroom before}
-- {'DENIED', …} with the headroom before as last element or -1 where unknown, {'STALE', …}
--- @include admission

read_account()
if not found_gen then
  return stale(account_gen, plan_gen, catalog_gen)
end
local grant
local reply = deny_by_state()
if not reply then
  grant, reply = decide()
end
local headroom = least and (least > 0 and least or 0) or -1
if grant then
  return {'FITS', now, grant[1], grant[3], grant[4], headroom}
end
if reply[1] == 'DENIED' then
  reply[#reply + 1] = headroom
end
return reply
