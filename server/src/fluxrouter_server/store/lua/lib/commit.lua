-- The one write phase: nothing before it writes, and nothing in it can fail.
--- @include account

-- Calls a command with any number of words: `unpack` fails beyond some 8,000, and an account may have
-- had any number of keys and budgets when a period is closed.
local function write(command, words)
  local most = 4000
  for first = 1, #words, most do
    redis.call(command, key.account, unpack(words, first, math.min(first + most - 1, #words)))
  end
end

-- Writes counters, tombstones and entries, and takes ended holds out.
local function commit()
  if #book.ended > 0 then
    redis.call('HDEL', key.holds, unpack(book.ended))
    redis.call('ZREM', key.due, unpack(book.ended))
  end

  local words = {}
  for i, name in ipairs(book.changed) do
    words[2 * i - 1], words[2 * i] = name, book.value[name]
  end
  for name, text in pairs(book.blobs) do
    words[#words + 1] = name
    words[#words + 1] = text
  end
  write('HSET', words)
  write('HDEL', book.dropped)

  if #book.buried > 0 then
    words = {'~', ''}
    for i, request in ipairs(book.buried) do
      words[2 * i + 1], words[2 * i + 2] = uid .. '/' .. request, cmsgpack.pack(book.tombs[request])
    end
    redis.call('HSET', key.tombs, unpack(words))
    if bucket > top_bucket then
      redis.call('HSET', key.meta, 'bucket', bucket)
    end
    -- One that lies ahead of the clock (which was set back, or the window made longer) is used beyond
    -- what it was given, so each ending keeps it for its own window.
    if not is_simulated and (bucket > top_bucket or bucket * span.replay > now) then
      -- It is read until the end of the next bucket; a minute more does no harm.
      local end_us = math.min((bucket + 2) * span.replay, now + 2 * span.replay)
      redis.call('PEXPIREAT', key.tombs, math.ceil(end_us / 1000) + 60000)
    end
  end

  if book.due then
    redis.call('ZADD', key.shard_due, 'LT', book.due, uid)
  end

  for _, entry in ipairs(book.entries) do
    redis.call('XADD', key.ledger, '*', 'e', entry)
  end
end
