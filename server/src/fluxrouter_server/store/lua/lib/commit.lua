-- The one write phase: nothing before it writes, and nothing in it can fail.
--- @include ending
local EXPIRY_SLACK_MS = 60000

-- Writes counters, tombstones and entries, and takes ended holds out.
local function commit()
  if #ended_keys > 0 then
    redis.call('HDEL', HOLDS, unpack(ended_keys))
    redis.call('ZREM', HOLD_DUE, unpack(ended_keys))
  end
  if changes > 0 or next(blobs) then
    local words = {}
    for i = 1, changes do
      words[2 * i - 1], words[2 * i] = changed[i], value[changed[i]]
    end
    for name, text in pairs(blobs) do
      words[#words + 1] = name
      words[#words + 1] = text
    end
    redis.call('HSET', ACCOUNT, unpack(words))
  end
  if #dropped > 0 then
    redis.call('HDEL', ACCOUNT, unpack(dropped))
  end
  if rewrites > 0 then
    local words = {}
    for i = 1, rewrites do
      words[2 * i - 1], words[2 * i] = tomb_field(rewritten[i]), pack(ended[rewritten[i]])
    end
    redis.call('HSET', TOMBS, SENTINEL, '', unpack(words))
    if bucket > top_bucket then
      redis.call('HSET', META, 'bucket', bucket)
      if not is_simulated then
        -- Read until the end of the next bucket.
        redis.call('PEXPIREAT', TOMBS, ceil((bucket + 2) * replay_window / 1000) + EXPIRY_SLACK_MS)
      end
    end
  end
  for i = 1, #entries do
    redis.call('XADD', LEDGER, '*', 'e', entries[i])
  end
end
