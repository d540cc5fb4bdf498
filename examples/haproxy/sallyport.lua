-- Asks Sallyport whether a request may pass, and does what the answer says. HAProxy 2.5 or later; needs no other library.
--
--   http-request lua.sallyport URL
--
-- Anything but 200 is given to the client as it is. Without an answer the client gets 503: nothing passes unasked.

local TIMEOUT_MS = 5000

-- Of the question's own connection.
local NOT_SENT = {
  connection = true, ["content-length"] = true, expect = true, host = true, ["keep-alive"] = true, te = true,
  trailer = true, ["transfer-encoding"] = true, upgrade = true,
  ["x-forwarded-method"] = true, ["x-forwarded-host"] = true, ["x-forwarded-uri"] = true,
}
-- Of the answer as a message, not for the upstream.
local NOT_WRITTEN = {
  connection = true, ["cache-control"] = true, ["content-length"] = true, date = true, ["keep-alive"] = true,
  ["x-sallyport-remove"] = true,
}
-- Of a refusal as a message: HAProxy writes its own.
local NOT_RETURNED = { connection = true, ["content-length"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true }

local function values(list)
  local copied = {}
  for _, value in pairs(list) do copied[#copied + 1] = value end
  return copied
end

local function refuse(txn, status, headers, body)
  local reply = txn:reply({ status = status, headers = headers, body = body })
  txn:done(reply)
end

core.register_action("sallyport", { "http-req" }, function(txn, url)
  local question = {}
  for name, list in pairs(txn.http:req_get_headers()) do
    if not NOT_SENT[name] then question[name] = values(list) end
  end
  question["x-forwarded-method"] = { txn.sf:method() }
  question["x-forwarded-host"] = { txn.sf:req_hdr("host") }
  question["x-forwarded-uri"] = { txn.sf:pathq() }

  local client = core.httpclient()
  local answer = client:get({ url = url, headers = question, timeout = TIMEOUT_MS })
  if answer == nil or answer.status == nil or answer.status == 0 then
    return refuse(txn, 503, { ["retry-after"] = { "2" }, ["cache-control"] = { "no-store" } }, "")
  end

  if answer.status ~= 200 then
    local headers = {}
    for name, list in pairs(answer.headers) do
      if not NOT_RETURNED[name] then headers[name] = values(list) end
    end
    return refuse(txn, answer.status, headers, answer.body or "")
  end

  for _, list in pairs({ answer.headers["x-sallyport-remove"] or {} }) do
    for _, names in pairs(list) do
      for name in string.gmatch(names, "[^,]+") do txn.http:req_del_header(name) end
    end
  end
  for name, list in pairs(answer.headers) do
    if not NOT_WRITTEN[name] then
      txn.http:req_del_header(name)
      for _, value in pairs(list) do
        if value ~= "" then txn.http:req_add_header(name, value) end
      end
    end
  end
end, 1)
