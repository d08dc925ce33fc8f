-- Has this request been seen? (docs/protocol.md §4)
--
-- One request id may be tried again under a higher attempt once its last one has ended; whatever is
-- known of the attempt itself is answered again, and nothing else.
--- @include admission
local key, attempt, digest, call = ARGV[15], tonumber(ARGV[16]), ARGV[17], ARGV[18]

local function replayed(text)
  return {'REPLAYED', now, text}
end

-- Answers for what an ended attempt says of this one, if it does; and the highest attempt known.
local function judge_ended(attempts, highest)
  for i = 1, #attempts do
    local record = attempts[i]
    if record[CALL] ~= '' and record[STATE] == NEVER then
      if record[CALL] == call and record[ATTEMPT] == attempt then
        return denied('ATTEMPT_SUPERSEDED', 'GIVEN_UP'), highest
      end
    else
      if record[DIGEST] ~= '' and record[DIGEST] ~= digest then
        return denied('REQUEST_ID_REUSED'), highest
      end
      if record[ATTEMPT] > highest then
        highest = record[ATTEMPT]
      end
    end
  end
  return nil, highest
end

local function has_attempt(record)
  return record[ATTEMPT] == attempt and (record[STATE] ~= NEVER or record[CALL] == '')
end

-- The script's reply where the request is known, else nil.
local function replay()
  local text = redis.call('HGET', HOLDS, key)
  local live = text and unpack_blob(text)
  if live then
    if live[DIGEST] ~= digest then
      return denied('REQUEST_ID_REUSED')
    end
    if live[ATTEMPT] == attempt then
      return replayed(text)
    end
  end
  local current, older = recall(key)
  local reply, highest = judge_ended(current, live and live[ATTEMPT] or 0)
  if not reply then
    reply, highest = judge_ended(older, highest)
  end
  if reply then
    return reply
  end
  if attempt < highest then
    reply = denied('ATTEMPT_SUPERSEDED', 'OLDER')
    reply[8] = highest
    return reply
  end
  if live then
    reply = denied('ATTEMPT_SUPERSEDED', 'LIVE')
    reply[8] = live[ATTEMPT]
    return reply
  end
  local known = find_in(current, older, has_attempt)
  if known then
    return known[STATE] == NEVER and denied('ATTEMPT_SUPERSEDED', 'RELEASED') or replayed(pack(known))
  end
  if #current + #older >= MOST_ATTEMPTS then
    reply = denied('ATTEMPT_SUPERSEDED', 'TOO_MANY')
    reply[8] = MOST_ATTEMPTS
    return reply
  end
end
