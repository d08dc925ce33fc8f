-- What tokens cost, exactly, in doubles: the algorithm of domain/pricing.py (docs/protocol.md §3).
--
-- With at most 10^8 tokens of a kind and rates of at most 9 * 10^12 nano-USD for 10^6 tokens, every
-- value here stays below 2^53. fmod is exact; Lua's % divides first and is not, near 2^53.
local RATE_TOKENS = 1000000
local MOST_TOKENS = 100000000
-- The largest amount: every sum that a counter holds stays exact below it.
local MOST_MONEY = 9007199254740992

-- Σ t·(r div 10^6) + ceil(Σ t·(r mod 10^6) / 10^6) over four pairs of tokens and rate.
local function price(t1, r1, t2, r2, t3, r3, t4, r4)
  local m1, m2 = fmod(r1, RATE_TOKENS), fmod(r2, RATE_TOKENS)
  local m3, m4 = fmod(r3, RATE_TOKENS), fmod(r4, RATE_TOKENS)
  local millionths = t1 * m1 + t2 * m2 + t3 * m3 + t4 * m4
  local rest = fmod(millionths, RATE_TOKENS)
  local ceiling = (millionths - rest) / RATE_TOKENS
  if rest > 0 then
    ceiling = ceiling + 1
  end
  return ceiling + t1 * ((r1 - m1) / RATE_TOKENS) + t2 * ((r2 - m2) / RATE_TOKENS)
    + t3 * ((r3 - m3) / RATE_TOKENS) + t4 * ((r4 - m4) / RATE_TOKENS)
end

-- The most a request can cost: all input at its dearest rate, and the output of all choices.
local function worst_case(input, dearest, output, output_rate)
  return price(input, dearest, output, output_rate, 0, 0, 0, 0)
end

-- The most output tokens per choice, up to `wish`, whose worst case fits into `room`; -1 where not
-- even the input fits. The estimate may be one off; the exact price decides.
local function largest_output(room, input, dearest, choices, output_rate, wish)
  if worst_case(input, dearest, 0, output_rate) > room then
    return -1
  end
  local grant = wish
  local rate = choices * output_rate
  if rate > 0 then
    local millionths = input * fmod(dearest, RATE_TOKENS)
    local part = fmod(millionths, RATE_TOKENS)
    local left = room - input * ((dearest - fmod(dearest, RATE_TOKENS)) / RATE_TOKENS)
    left = left - (millionths - part) / RATE_TOKENS
    local estimate = (left - part / RATE_TOKENS) / rate * RATE_TOKENS
    if estimate < wish then
      grant = floor(estimate)
    end
  end
  while worst_case(input, dearest, choices * grant, output_rate) > room do
    grant = grant - 1
  end
  while grant < wish and worst_case(input, dearest, choices * (grant + 1), output_rate) <= room do
    grant = grant + 1
  end
  return grant
end
