-- The one write phase: nothing before it writes, and nothing in it can fail.
--- @include account

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
  if #words > 0 then
    redis.call('HSET', key.account, unpack(words))
  end
  if #book.dropped > 0 then
    redis.call('HDEL', key.account, unpack(book.dropped))
  end

  if #book.buried > 0 then
    words = {'~', ''}
    for i, request in ipairs(book.buried) do
      words[2 * i + 1], words[2 * i + 2] = uid .. '/' .. request, cmsgpack.pack(book.tombs[request])
    end
    redis.call('HSET', key.tombs, unpack(words))
    if bucket > top_bucket then
      redis.call('HSET', key.meta, 'bucket', bucket)
      if not is_simulated then
        -- It is read until the end of the next bucket; a minute more does no harm.
        local end_ms = math.ceil((bucket + 2) * span.replay / 1000) + 60000
        redis.call('PEXPIREAT', key.tombs, end_ms)
      end
    end
  end

  if book.due then
    redis.call('ZADD', key.shard_due, 'LT', book.due, uid)
  end

  for _, entry in ipairs(book.entries) do
    redis.call('XADD', key.ledger, '*', 'e', entry)
  end
end
