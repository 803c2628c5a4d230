/** The join code that the page was opened with, as `/?join=CODE`. */

const KEPT = "join"; // in this tab, for a reload

/** Takes the code out of the address, which is shown on screens and shared, and keeps it for this tab. */
function take() {
  const address = new URL(location.href);
  const code = address.searchParams.get("join");
  if (code === null) return;
  address.searchParams.delete("join");
  history.replaceState(history.state, "", address);
  if (code.trim()) sessionStorage.setItem(KEPT, code.trim().slice(0, 64));
}

/** The code, or null. */
export const linkedCode = () => sessionStorage.getItem(KEPT);

/** Forgets the code, once it was used. */
export const forgetLinkedCode = () => sessionStorage.removeItem(KEPT);

take();
