// Which page is shown: the overview, or the job that the address names after its #.

function route() {
  const asked = /^#job=(.*)$/.exec(location.hash);
  if (route.isList) route.place = scrollY;
  const only = JOBS.job_id.length === 1 && LAKE.detailed === 1 ? 0 : undefined;
  const i = asked ? NUMBER_OF.get(decoded(asked[1])) : only;
  main.replaceChildren(...(i === undefined ? overviewPage() : jobPage(i)).filter(Boolean));
  document.title = i === undefined ? "Fine-tuning jobs" : `${spelled(JOBS.job_id[i])} · fine-tuning job`;
  scrollTo(0, i === undefined ? route.place ?? 0 : 0); // back in the list, at its old place
  route.isList = i === undefined;
  if (route.before !== undefined) {
    const left = [...main.querySelectorAll("tbody a")].find((link) => link.hash === route.before);
    (left ?? main.querySelector("h1"))?.focus({ preventScroll: true });
  }
  route.before = location.hash;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const main = document.getElementById("main");
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address tells what is shown
  main.focus();
});
addEventListener("hashchange", route);
route();
