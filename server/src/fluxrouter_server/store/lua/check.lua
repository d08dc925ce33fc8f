#!lua flags=no-writes
-- Says what `admit` would do now; writes nothing, and asks for no replay.
--
-- KEYS  1 to 11 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua, from 9 on as in lib/admission.lua
--
-- {'FITS', now, candidate from 1, output tokens, need, headroom before}
-- {'DENIED', …} with the headroom before as a last element, 0 where it was not looked at; {'STALE', …}
--- @include admission

local place, reply, output, need
if refusal then
  reply = refusal
else
  place, reply, output, need = decide()
end
local headroom = math.max(found.least or 0, 0)
if place then
  return {'FITS', now, place - 25, output, need, headroom}
end
if reply[1] == 'DENIED' then
  reply[#reply + 1] = headroom
end
return reply
