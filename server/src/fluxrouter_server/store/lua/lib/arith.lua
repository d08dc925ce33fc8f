-- What tokens cost, exactly, in doubles: the algorithm of domain/pricing.py (docs/protocol.md §3).
--
-- With at most 10^8 tokens of a kind and rates of at most 9 * 10^12 nano-USD for 10^6 tokens, every
-- value here stays below 2^53. fmod is exact; Lua's % divides first and is not, near 2^53.
--
-- Σ t·(r div 10^6) + ceil(Σ t·(r mod 10^6) / 10^6) over four pairs of tokens and rate.
local function price(t1, r1, t2, r2, t3, r3, t4, r4)
  local fmod, million = math.fmod, 1000000
  local m1, m2, m3, m4 = fmod(r1, million), fmod(r2, million), fmod(r3, million), fmod(r4, million)
  local millionths = t1 * m1 + t2 * m2 + t3 * m3 + t4 * m4
  local rest = fmod(millionths, million)
  local rounded = (millionths - rest) / million
  if rest > 0 then
    rounded = rounded + 1
  end
  return rounded + t1 * ((r1 - m1) / million) + t2 * ((r2 - m2) / million)
    + t3 * ((r3 - m3) / million) + t4 * ((r4 - m4) / million)
end

-- An offer is {input, output wished, choices, four rates, …}; lib/records.lua has all of it.
-- The dearest rate at which a token of its input may be billed.
local function dearest(offer)
  local rate = offer[4]
  if offer[5] > rate then
    rate = offer[5]
  end
  return offer[6] > rate and offer[6] or rate
end

-- The most that an offer's request can cost with that much output per choice.
local function worst_case(offer, output)
  return price(offer[1], dearest(offer), offer[3] * output, offer[7], 0, 0, 0, 0)
end

-- The most output tokens per choice, up to the wish, whose worst case fits into `room`; -1 where not
-- even the input fits. The estimate may be one off; the exact price decides.
local function largest_output(offer, room)
  if worst_case(offer, 0) > room then
    return -1
  end
  local fmod, million = math.fmod, 1000000
  local wish, output_rate, input_rate = offer[2], offer[3] * offer[7], dearest(offer)
  local grant = wish
  if output_rate > 0 then
    local rest = fmod(input_rate, million)
    local millionths = offer[1] * rest
    local part = fmod(millionths, million)
    local left = room - offer[1] * ((input_rate - rest) / million) - (millionths - part) / million
    local estimate = (left - part / million) / output_rate * million
    if estimate < wish then
      grant = math.floor(estimate)
    end
  end
  while worst_case(offer, grant) > room do
    grant = grant - 1
  end
  while grant < wish and worst_case(offer, grant + 1) <= room do
    grant = grant + 1
  end
  return grant
end
