-- What an ending does to counters and ledger: one place for settlement, release, expiry, correction.
--
-- Everything happens in memory; `commit` writes it. docs/protocol.md §5, §7, §8.
--- @include tombstones
local ended_keys = {} -- request keys of live holds that end here
local entries = {} -- packed ledger entries to append, in order
local levels_of_record = {}

local function levels_of(record)
  local levels = levels_of_record[record]
  if not levels then
    levels = unpack_blob(record[LEVELS])
    levels_of_record[record] = levels
  end
  return levels
end

-- Reads in one go every number that ending these holds touches.
local function read_counters(records)
  local names, count, wanted = {}, 0, {}
  local function want(name)
    if not value[name] and not wanted[name] then
      wanted[name] = true
      count = count + 1
      names[count] = name
    end
  end
  want('seq')
  want('cl')
  for i = 1, #records do
    local record = records[i]
    local period, levels = record[PERIOD], levels_of(record)
    want('inc:' .. period)
    want('abs:' .. period)
    want('al:' .. period)
    for j = 1, #levels, 2 do
      local settled, held = counters(levels[j], period, record[HOUR])
      want(settled)
      want(held)
    end
    -- A read of thousands of fields at once would overflow Lua's stack.
    if count > 1000 then
      read_fields(names)
      names, count = {}, 0
    end
  end
  if count > 0 then
    read_fields(names)
  end
end

-- Whether the counters of that level are still there for a hold of that period and hour.
local function has_counters(level, period, hour)
  if level == 'H' then
    get('h:H' .. hour)
    return not is_absent['h:H' .. hour]
  end
  return period > get('cl')
end

-- The least room over a hold's levels, never negative; `caps` by level, or nil for the caps that
-- it was admitted under. A level without a cap (or that is gone) leaves all the room there is.
local function least_room(record, caps)
  local levels, least = levels_of(record), MOST_MONEY
  for i = 1, #levels, 2 do
    local level = levels[i]
    if has_counters(level, record[PERIOD], record[HOUR]) then
      local settled, held = counters(level, record[PERIOD], record[HOUR])
      local cap = levels[i + 1]
      if caps then
        cap = caps[level]
      end
      local room = room_of(cap, get(settled), get(held))
      if room < least then
        least = room
      end
    end
  end
  return least > 0 and least or 0
end

local function move(record, settled_delta, held_delta)
  local levels = levels_of(record)
  for i = 1, #levels, 2 do
    local level = levels[i]
    if has_counters(level, record[PERIOD], record[HOUR]) then
      local settled, held = counters(level, record[PERIOD], record[HOUR])
      add(settled, settled_delta)
      add(held, held_delta)
    end
  end
end

-- Splits a change of what is billed into included credit and metered money, as the hold's plan says.
local function fund(record, terms, delta, is_open)
  local included
  if delta < 0 then
    local metered_back = -delta
    if metered_back > record[METERED] then
      metered_back = record[METERED]
    end
    included = delta + metered_back
  elseif terms[4] == 1 then
    local available = terms[3] - get('inc:' .. record[PERIOD])
    included = available < 0 and 0 or available
    if included > delta then
      included = delta
    end
  else
    included = delta -- a plan that meters nothing never charges anyone, whatever was used before
  end
  if is_open then
    add('inc:' .. record[PERIOD], included)
  end
  return included, delta - included
end

local function next_entry()
  set('seq', get('seq') + 1)
  return {v = 1, u = uid, e = epoch, q = get('seq'), t = now}
end

local function append(entry)
  entries[#entries + 1] = pack(entry)
end

-- Writes an alert entry for each threshold that the period's settled amount has newly reached.
local function alert(key, record, thresholds)
  local period = record[PERIOD]
  local settled, sent = get('s:' .. period .. ':a'), get('al:' .. period)
  for i = 1, #thresholds, 2 do
    local percent, amount = thresholds[i], thresholds[i + 1]
    if percent > sent and amount > 0 and settled >= amount then
      local entry = next_entry()
      entry.k, entry.p, entry.ps, entry.pe = 'alert', period, record[PERIOD_START], record[PERIOD_END]
      entry.sa, entry.b, entry.pc, entry.am = settled, 0, percent, amount
      entry.rk, entry.a, entry.ad, entry.be = key, record[ATTEMPT], record[ADMITTED], record[EPOCH]
      entry.n = percent
      append(entry)
      set('al:' .. period, percent)
      sent = percent
    end
  end
end

local function append_ending(key, record, kind, change, tokens)
  local entry = next_entry()
  entry.k, entry.p, entry.ps, entry.pe = kind, record[PERIOD], record[PERIOD_START], record[PERIOD_END]
  entry.hr, entry.rk, entry.id, entry.a = record[HOUR], key, record[REQUEST_ID], record[ATTEMPT]
  entry.be, entry.ad, entry.n, entry.st = record[EPOCH], record[ADMITTED], record[ENTRIES], record[STATE]
  entry.co, entry.b, entry.ab = record[COST], change.billed, change.absorbed
  entry.ic, entry.me, entry.cr, entry.hd = change.included, change.metered, change.credit, change.freed
  entry.lv, entry.pr, entry.ti = record[LEVELS], record[PRINCIPAL], record[TIER]
  entry.of, entry.og, entry.tm, entry.us = record[OFFER], record[ORIGIN], record[TERMS], tokens
  if change.is_open then
    entry.sa = get('s:' .. record[PERIOD] .. ':a')
  end
  append(entry)
end

-- Ends a hold, or corrects one that has ended, so that it is charged `billed` in all.
--
-- In a period that is closed `billed` must not be above what was charged: what it is below becomes a
-- credit for the invoice, since the counters are gone. `thresholds` are the alerts in force, `tokens`
-- the usage where it is known. Leaves `record` as its tombstone.
local function conclude(key, record, state, kind, cost, billed, caps, thresholds, tokens)
  local is_live = not record[STATE]
  if is_live then
    record[BILLED], record[ABSORBED], record[INCLUDED], record[METERED], record[ENTRIES] = 0, 0, 0, 0, 0
    ended_keys[#ended_keys + 1] = key
  end
  local is_open = record[PERIOD] > get('cl')
  local terms = unpack_blob(record[TERMS])
  local delta = billed - record[BILLED]
  local absorbed = cost - billed - record[ABSORBED]
  local freed = is_live and record[HELD] or 0
  local included, metered = fund(record, terms, delta, is_open)
  move(record, delta, -freed)
  if is_open then
    add('abs:' .. record[PERIOD], absorbed)
  end
  record[STATE], record[ENDED], record[COST], record[BILLED], record[ABSORBED] =
    state, now, cost, billed, cost - billed
  record[INCLUDED], record[METERED] = record[INCLUDED] + included, record[METERED] + metered
  record[END_HEADROOM] = is_open and least_room(record, caps) or 0
  local change = {billed = delta, absorbed = absorbed, included = included, metered = metered,
    credit = 0, freed = freed, is_open = is_open}
  if not is_open then
    change.billed, change.included, change.metered, change.credit = 0, 0, 0, -delta
  end
  append_ending(key, record, kind, change, tokens)
  record[ENTRIES] = record[ENTRIES] + 1
  if is_open and delta > 0 then
    alert(key, record, thresholds or terms[6])
  end
  if state == SETTLED then
    -- Nothing can follow, so what only a correction needs is not kept for the replay window.
    record[CALL], record[LEVELS], record[KEY_FIELD], record[ORIGIN], record[TERMS] = '', '', '', '', ''
  end
  remember(key, record)
end
