// The login page. It posts to its own address, so it needs to know nothing of the sign-in it belongs to.

/** HTML of the page; `failed` says that name and password did not fit, and not which. */
export function loginPage({ failed }) {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · Corner House</title>
<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
  body { display: grid; place-items: center; min-height: 100vh; margin: 0 }
  main { width: min(22rem, 90vw) }
  label { display: block; margin: 1rem 0 .25rem }
  input { box-sizing: border-box; width: 100%; padding: .6rem; font: inherit; border: 1px solid #8888; border-radius: .4rem }
  button { width: 100%; margin-top: 1.5rem; padding: .7rem; font: inherit; font-weight: 600; color: #fff; background: #1f5f8b; border: 0; border-radius: .4rem }
  [role=alert] { padding: .6rem .8rem; color: #7a1020; background: #fde8ea; border-radius: .4rem }
</style>
<main>
  <h1>Corner House</h1>
  <p>Sign in with your company account.</p>
  ${failed ? '<p role="alert">Name and password do not fit together.</p>' : ''}
  <form method="post">
    <label for="login">Name</label>
    <input id="login" name="login" autocomplete="username" autocapitalize="none" required autofocus>
    <label for="password">Password</label>
    <input id="password" name="password" type="password" autocomplete="current-password" required>
    <button>Sign in</button>
  </form>
</main>
</html>
`;
}
