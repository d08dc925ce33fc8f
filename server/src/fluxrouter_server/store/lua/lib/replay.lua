-- Has this request been seen? (docs/protocol.md §4)
--
-- One request id may be tried again under a higher attempt once its last one has ended; whatever is
-- known of the attempt itself is answered again, and nothing else.
-- ARGV[15] request key, [16] attempt, [17] digest, [18] call
--- @include tombstones

-- Made only where something is known of the request.
local function answer_again(live, current, older)
  local R = record_indices()
  local attempt, digest = tonumber(ARGV[16]), ARGV[17]
  local highest, is_reused, is_given_up = live and live[R.ATTEMPT] or 0, false, false
  for _, attempts in ipairs({current, older}) do
    for _, record in ipairs(attempts) do
      if record[R.STATE] == 'never' and record[R.CALL] ~= '' then
        -- It refuses one call, and says nothing of the attempt.
        if record[R.CALL] == ARGV[18] and record[R.ATTEMPT] == attempt then
          is_given_up = true
        end
      else
        is_reused = is_reused or (record[R.DIGEST] ~= '' and record[R.DIGEST] ~= digest)
        highest = math.max(highest, record[R.ATTEMPT])
      end
    end
  end
  if is_reused then
    return denied('REQUEST_ID_REUSED')
  end
  local known = open_tombs().find(current, older, function(record)
    return record[R.ATTEMPT] == attempt and (record[R.STATE] ~= 'never' or record[R.CALL] == '')
  end)
  local reply = denied('ATTEMPT_SUPERSEDED')
  if attempt < highest then
    reply[4], reply[8] = 'OLDER', highest
  elseif live then
    reply[4], reply[8] = 'LIVE', live[R.ATTEMPT]
  elseif known and known[R.STATE] ~= 'never' then
    return {'REPLAYED', now, cmsgpack.pack(known)}
  elseif known then
    reply[4] = 'RELEASED'
  elseif is_given_up then
    reply[4] = 'GIVEN_UP'
  elseif #current + #older >= MOST_ATTEMPTS then
    reply[4], reply[8] = 'TOO_MANY', MOST_ATTEMPTS
  else
    return nil
  end
  return reply
end

-- The script's reply where the request is known, else nil.
local function replay()
  local text = redis.call('HGET', key.holds, ARGV[15])
  local live = text and cmsgpack.unpack(text)
  if live then
    local R = record_indices()
    if live[R.DIGEST] ~= ARGV[17] then
      return denied('REQUEST_ID_REUSED')
    end
    if live[R.ATTEMPT] == tonumber(ARGV[16]) then
      return {'REPLAYED', now, text}
    end
  end
  local current, older = recall(ARGV[15])
  if live or #current > 0 or #older > 0 then
    return answer_again(live, current, older)
  end
end
