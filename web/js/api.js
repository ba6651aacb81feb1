// The server's JSON API (docs/http_api.md).

export class ApiError extends Error {
  constructor(message, advice, code) {
    super(message);
    this.advice = advice;
    this.code = code;
  }
}

export async function fetchBlock(name, parameters, signal) {
  let response;
  try {
    response = await fetch(`/api/${name}?${parameters}`, {signal, headers: {accept: "application/json"}});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer.", "Start it again: shoplake serve", "page.unreachable");
  }
  let body = null;
  try {
    body = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(`The server's answer (${response.status}) is not JSON.`, "", "page.not_json");
  }
  if (!response.ok) throw new ApiError(body.error?.message ?? `Status ${response.status}`, body.error?.advice ?? "", body.error?.code ?? "");
  return body;
}

export function csvAddress(name, parameters) {
  const copy = new URLSearchParams(parameters);
  copy.set("format", "csv");
  return `/api/${name}?${copy}`;
}
