-- What an ending does to counters and ledger: one place for settlement, release, expiry, correction.
--
-- Everything happens in memory; `commit` writes it. docs/protocol.md §5, §7, §8.
--- @include tombstones

-- Made only where something ends: most admissions end nothing.
local function open_ending()
  local R, tombs = record_indices(), open_tombs()
  local value, set = book.value, book.set
  local ending = {}
  local opened = {} -- levels by record

  -- A hold's levels: names, caps at admission, and names of settled and held counters.
  function ending.levels_of(record)
    local levels = opened[record]
    if not levels then
      levels = {names = {}, caps = {}, settled = {}, held = {}}
      local flat = cmsgpack.unpack(record[R.LEVELS])
      for i = 1, #flat, 2 do
        local n = (i + 1) / 2
        levels.names[n], levels.caps[n] = flat[i], flat[i + 1]
        levels.settled[n], levels.held[n] = counters(flat[i], record[R.PERIOD], record[R.HOUR])
      end
      opened[record] = levels
    end
    return levels
  end

  -- Reads in one go every number that ending these holds touches; all else here relies on it.
  function ending.read_counters(records)
    local names, wanted = {}, {}
    local function want(name)
      if not value[name] and not wanted[name] then
        wanted[name] = true
        names[#names + 1] = name
      end
    end
    want('seq')
    want('cl')
    for _, record in ipairs(records) do
      local period, levels = record[R.PERIOD], ending.levels_of(record)
      want('inc:' .. period)
      want('abs:' .. period)
      want('al:' .. period)
      for i = 1, #levels.names do
        want(levels.settled[i])
        want(levels.held[i])
      end
      -- A read of thousands of fields at once would overflow Lua's stack.
      if #names > 1000 then
        book.read(names)
        names = {}
      end
    end
    if #names > 0 then
      book.read(names)
    end
  end

  -- Whether the counters of a hold's period are still there.
  function ending.is_open(record)
    return record[R.PERIOD] > value.cl
  end

  -- The same of one of its levels.
  local function has_counters(record, levels, i)
    if levels.names[i] == 'H' then
      return not book.absent[levels.held[i]]
    end
    return record[R.PERIOD] > value.cl
  end

  -- The least room over a hold's levels, never negative; `caps` by level, or nil for the caps that
  -- it was admitted under. A level without a cap, or that is gone, leaves all the room there is.
  function ending.least_room(record, caps)
    local levels, least = ending.levels_of(record), MOST_MONEY
    for i, level in ipairs(levels.names) do
      if has_counters(record, levels, i) then
        local cap = levels.caps[i]
        if caps then
          cap = caps[level] or -1
        end
        local room = (cap < 0 and MOST_MONEY or cap) - value[levels.settled[i]] - value[levels.held[i]]
        if room < least then
          least = room
        end
      end
    end
    return least > 0 and least or 0
  end

  -- The most that can be given back of a hold: an operator's correction may have been first.
  local function least_settled(record)
    local levels, least = ending.levels_of(record), MOST_MONEY
    for i, level in ipairs(levels.names) do
      if level ~= 'H' then
        least = math.min(least, value[levels.settled[i]])
      end
    end
    return least
  end

  -- Moves the counters of all levels of a hold.
  function ending.move(record, settled_delta, held_delta)
    local levels = ending.levels_of(record)
    for i = 1, #levels.names do
      if has_counters(record, levels, i) then
        local settled, held = levels.settled[i], levels.held[i]
        if settled_delta ~= 0 then
          -- Never below 0: an hour's counters may have been dropped, and begun anew at 0 after the
          -- clock was set back.
          set(settled, math.max(0, value[settled] + settled_delta))
        end
        if held_delta ~= 0 then
          set(held, value[held] + held_delta)
        end
      end
    end
  end

  -- How much of a change of what is billed the included credit pays, as the hold's plan says; the
  -- rest is metered. What is given back is given back to the meter first.
  local function included_part(record, terms, delta)
    local used = 'inc:' .. record[R.PERIOD]
    if delta < 0 then
      local back = math.min(record[R.METERED], -delta)
      if ending.is_open(record) then
        -- No more of either kind than there is: an operator's correction may have been first.
        local metered = value['s:' .. record[R.PERIOD] .. ':a'] - value[used]
        back = math.max(0, math.min(back, metered), -delta - value[used])
      end
      return delta + back
    end
    if terms[4] ~= 1 then
      return delta -- a plan that meters nothing never charges anyone, whatever was used before
    end
    return math.min(delta, math.max(0, terms[3] - value[used]))
  end

  -- The next number in the account's chain of entries.
  function ending.next_sequence()
    set('seq', value.seq + 1)
    return value.seq
  end

  function ending.append(entry)
    book.entries[#book.entries + 1] = cmsgpack.pack(entry)
  end

  -- Writes an alert entry for each threshold that the period's settled amount has newly reached.
  function ending.alert(request, record, thresholds)
    local settled, sent = value['s:' .. record[R.PERIOD] .. ':a'], 'al:' .. record[R.PERIOD]
    for i = 1, #thresholds, 2 do
      local percent, amount = thresholds[i], thresholds[i + 1]
      if percent > value[sent] and amount > 0 and settled >= amount then
        ending.append({
          v = 1, k = 'alert', u = uid, e = epoch, q = ending.next_sequence(), t = now,
          p = record[R.PERIOD], ps = record[R.PERIOD_START], pe = record[R.PERIOD_END],
          rk = request, id = record[R.REQUEST_ID], a = record[R.ATTEMPT], n = percent,
          be = record[R.EPOCH], ad = record[R.ADMITTED], sa = settled, b = 0, pc = percent, am = amount,
        })
        set(sent, percent)
      end
    end
  end

  -- Ends a hold, or corrects one that has ended, so that it is charged `billed` in all; `record`
  -- becomes its tombstone.
  --
  -- `how` has state, kind of entry, cost, billed, and where they are known caps (by level), alerts
  -- and tokens. In a period that is closed `billed` must not be above what was charged: what it is
  -- below becomes a credit for the invoice, since the counters are gone.
  function ending.conclude(request, record, how)
    local freed = 0
    if not record[R.STATE] then
      freed = record[R.HELD]
      record[R.COST], record[R.BILLED], record[R.ABSORBED], record[R.INCLUDED] = 0, 0, 0, 0
      record[R.METERED], record[R.ENTRIES] = 0, 0
      book.ended[#book.ended + 1] = request
    end
    local period, is_open = record[R.PERIOD], ending.is_open(record)
    if is_open and how.billed < record[R.BILLED] then
      how.billed = math.max(how.billed, record[R.BILLED] - least_settled(record))
      how.cost = math.max(how.cost, how.billed)
    end
    local terms = cmsgpack.unpack(record[R.TERMS])
    local delta = how.billed - record[R.BILLED]
    local absorbed = how.cost - how.billed - record[R.ABSORBED]
    local included = included_part(record, terms, delta)
    ending.move(record, delta, -freed)
    if is_open and included ~= 0 then
      set('inc:' .. period, value['inc:' .. period] + included)
    end
    if is_open and absorbed ~= 0 then
      set('abs:' .. period, value['abs:' .. period] + absorbed)
    end
    record[R.STATE], record[R.ENDED], record[R.COST] = how.state, now, how.cost
    record[R.BILLED], record[R.ABSORBED] = how.billed, how.cost - how.billed
    record[R.INCLUDED] = record[R.INCLUDED] + included
    record[R.METERED] = record[R.METERED] + delta - included
    record[R.END_HEADROOM] = is_open and ending.least_room(record, how.caps) or 0
    ending.append({
      v = 1, k = how.kind, u = uid, e = epoch, q = ending.next_sequence(), t = now,
      p = period, ps = record[R.PERIOD_START], pe = record[R.PERIOD_END], hr = record[R.HOUR],
      rk = request, id = record[R.REQUEST_ID], a = record[R.ATTEMPT], n = record[R.ENTRIES],
      be = record[R.EPOCH], ad = record[R.ADMITTED], st = how.state, hd = freed, us = how.tokens,
      co = how.cost, ab = absorbed, b = is_open and delta or 0, cr = is_open and 0 or -delta,
      ic = is_open and included or 0, me = is_open and delta - included or 0,
      sa = is_open and value['s:' .. period .. ':a'] or nil,
      lv = record[R.LEVELS], pr = record[R.PRINCIPAL], ti = record[R.TIER],
      of = record[R.OFFER], og = record[R.ORIGIN], tm = record[R.TERMS],
    })
    record[R.ENTRIES] = record[R.ENTRIES] + 1
    if is_open and delta > 0 then
      ending.alert(request, record, how.alerts or terms[6])
    end
    if how.state == 'settled' then
      -- Nothing can follow, so what only a correction needs is not kept for the replay window.
      record[R.CALL], record[R.LEVELS], record[R.KEY_FIELD] = '', '', ''
      record[R.ORIGIN], record[R.TERMS] = '', ''
    end
    tombs.remember(request, record)
  end

  return ending
end
