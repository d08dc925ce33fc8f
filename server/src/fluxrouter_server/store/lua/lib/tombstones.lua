-- Ended attempts of requests, remembered for the replay window in buckets that expire whole.
--
-- A bucket's hash has `<uid>/<request key>` -> cmsgpack array of ended attempts (see records). What
-- ends, or is corrected, goes into the current bucket, where it hides what the older one says of it.
--- @include account
--- @include records
-- More endings than this under one request id are a caller gone wild: each call reads all of them.
local MOST_ATTEMPTS = 32

-- Reads the attempts of one request: those of the current bucket and those of the older one.
local function recall(request)
  local field = uid .. '/' .. request
  local current = redis.call('HGET', key.tombs, field)
  local older = redis.call('HGET', key.older_tombs, field)
  current = current and cmsgpack.unpack(current) or {}
  book.tombs[request] = current
  return current, older and cmsgpack.unpack(older) or {}
end

local function open_tombs()
  local R = record_indices()
  local tombs = {}

  -- Reads what the current bucket has of several requests at once.
  function tombs.recall_current(requests)
    local names = {}
    for i = 1, #requests do
      names[i] = uid .. '/' .. requests[i]
    end
    local found = redis.call('HMGET', key.tombs, unpack(names))
    for i = 1, #requests do
      book.tombs[requests[i]] = found[i] and cmsgpack.unpack(found[i]) or {}
    end
  end

  -- The first attempt that is the one: what is newer hides what is older.
  function tombs.find(current, older, is_it)
    for _, attempts in ipairs({current, older}) do
      for _, record in ipairs(attempts) do
        if is_it(record) then
          return record
        end
      end
    end
  end

  -- Keeps an ended attempt; its request must have been recalled.
  function tombs.remember(request, record)
    local attempts = book.tombs[request]
    local place = #attempts + 1
    for i, other in ipairs(attempts) do
      local is_same = other[R.ATTEMPT] == record[R.ATTEMPT] and other[R.ADMITTED] == record[R.ADMITTED]
      if is_same and other[R.STATE] ~= 'never' then
        place = i
      end
    end
    attempts[place] = record
    if not book.buried[request] then
      book.buried[request] = true
      book.buried[#book.buried + 1] = request
    end
  end

  return tombs
end
