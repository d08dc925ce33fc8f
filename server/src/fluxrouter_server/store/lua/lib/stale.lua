-- Documents of today for a caller whose own are older (docs/protocol.md §2).
--- @include account
local DOCUMENT, PLAN, CATALOG = KEYS[9], KEYS[10], KEYS[11]
local UNCHANGED, GIVEN, MISSING = 0, 1, 2

-- Four elements: what became of the document, then generation, update time and bytes where given.
local function append_document(reply, key, known)
  local found = key and redis.call('HMGET', key, 'gen', 'update_us', 'doc') or {known}
  local n = #reply
  reply[n + 2], reply[n + 3], reply[n + 4] = '', '', ''
  if found[1] == known then
    reply[n + 1] = UNCHANGED
  elseif not found[1] or found[3] == '' then
    reply[n + 1] = MISSING
  else
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = GIVEN, found[1], found[2], found[3]
  end
end

-- {'STALE', now, start and end of the open period or 0, 0, then of the account: what became of it,
-- generation, update time, bytes, flags; then four elements each of plan and catalog}
local function stale(account_gen, plan_gen, catalog_gen)
  local found = redis.call('HMGET', ACCOUNT, 'gen', 'update_us', 'flags', 'pstart', 'pend')
  local reply = {'STALE', now, tonumber(found[4] or 0), tonumber(found[5] or 0), UNCHANGED, '', '', '', 0}
  if not found[1] then
    reply[5] = MISSING
  elseif found[1] ~= account_gen then
    local document = redis.call('GET', DOCUMENT)
    reply[5], reply[6], reply[7] = GIVEN, found[1], found[2] or 0
    reply[8], reply[9] = document or '', tonumber(found[3] or 0)
  end
  append_document(reply, PLAN, plan_gen)
  append_document(reply, catalog_gen and CATALOG, catalog_gen)
  return reply
end

-- Whether the caller's generation of a document is in force.
local function is_current(key, known)
  return redis.call('HGET', key, 'gen') == known
end

-- The same for a settlement, which also goes on where the document is gone: there is nothing newer
-- to refresh to, and it must not be lost.
local function is_current_or_gone(key, known)
  local found = redis.call('HMGET', key, 'gen', 'doc')
  return found[1] == known or not found[1] or found[2] == ''
end
