-- Documents of today for a caller whose own are older (docs/protocol.md §2).
--- @include account

-- {'STALE', now, start and end of the open period or 0, 0, then of the account: what became of it
-- (0 unchanged, 1 given, 2 missing), generation, update time, bytes, flags; then the first four of
-- these for the plan and for the catalog}
local function stale(account_gen, plan_gen, catalog_gen)
  local found = redis.call('HMGET', key.account, 'gen', 'update_us', 'flags', 'pstart', 'pend')
  local reply = {'STALE', now, tonumber(found[4] or 0), tonumber(found[5] or 0), 0, '', '', '', 0}
  if not found[1] then
    reply[5] = 2
  elseif found[1] ~= account_gen then
    reply[5], reply[6], reply[7], reply[9] = 1, found[1], found[2] or 0, tonumber(found[3] or 0)
    reply[8] = redis.call('GET', key.document) or ''
  end
  local function append(document, known)
    local n = #reply
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = 0, '', '', ''
    if not known then
      return -- the caller does not depend on it
    end
    local kept = redis.call('HMGET', document, 'gen', 'update_us', 'doc')
    if not kept[1] or kept[3] == '' then
      reply[n + 1] = 2
    elseif kept[1] ~= known then
      reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = 1, kept[1], kept[2], kept[3]
    end
  end
  append(key.plan, plan_gen)
  append(key.catalog, catalog_gen)
  return reply
end

-- Whether the caller's generation of a document is in force.
local function is_current(document, known)
  return redis.call('HGET', document, 'gen') == known
end
